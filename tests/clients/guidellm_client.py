"""guidellm: closed loops of 1, 8 and 32 streams of synthetic prompts, every request answered, lengths as asked."""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUESTS, OUTPUT_TOKENS = 48, 32
program = pathlib.Path(sys.executable).with_name("guidellm")
for streams in (1, 8, 32):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        subprocess.run(
            [program, "run", "--backend", f"kind=openai_http,target={sys.argv[1]},model=demo",
             "--profile", f"kind=concurrent,streams=[{streams}]",
             "--constraint", f"kind=max_requests,count={REQUESTS}",
             "--tokenizer", f"kind=huggingface_auto,model={ROOT / 'demo'}",
             "--data", f"kind=synthetic_text,prompt_tokens=64,output_tokens={OUTPUT_TOKENS}",
             "--output", f"kind=json,path={report}", "--disable-console"],
            check=True, timeout=300, cwd=folder)
        metrics = json.loads(report.read_text())["benchmarks"][0]["metrics"]
    totals = metrics["request_totals"]
    assert totals["successful"] == REQUESTS and totals["errored"] == 0, totals
    answered = metrics["output_token_count"]["successful"]
    assert answered["min"] == answered["max"] == OUTPUT_TOKENS, answered
    latency = metrics["inter_token_latency_ms"]["successful"]
    print(f"  guidellm {streams} streams: {REQUESTS} requests, median gap {latency['median']:.1f} ms")
