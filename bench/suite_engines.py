"""The engines under comparison: how each is started for one shape of work, and what it reports."""
import dataclasses
import json
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

from suite_floor import kv_token_bytes

OPENVINO_SCRIPT = pathlib.Path(__file__).resolve().parent / "openvino_latency.py"
START_SECONDS = 600
RUN_SECONDS = 3600
# Room for one sequence beyond its tokens: llama.cpp pads, and the last token is stored too.
SLACK_TOKENS = 32
STATE_BYTES = 256 << 20  # for recurrent states
PEER_TRIES = 3  # llama-batched-bench now and then ends well without a word
RESERVED_TOKENS = 272  # bytes and special tokens, at the end of the vocabulary


@dataclasses.dataclass(frozen=True)
class Format:
    """A weight format: Quire's checkpoint folder and flags, and llama.cpp's file."""
    name: str
    checkpoint: str
    quire_flags: tuple
    gguf: str


FORMATS = {f.name: f for f in [
    Format("bf16", "bf16", ("--dtype", "bf16"), "bf16"),
    Format("int8", "bf16", ("--quantization", "int8"), "q8_0"),
    Format("int4", "int4", (), "q4_0"),
]}


class Engine:
    """One contestant: a format, a KV format and flags. `hog`: something else burns one processor."""

    kind = ""

    def __init__(self, setup, weight_format, kv="bf16", hog=False, flags=(), tag=""):
        self.setup, self.format, self.kv, self.hog = setup, FORMATS[weight_format], kv, hog
        self.flags = list(flags)
        words = [self.kind, weight_format, "" if kv == "bf16" else f"kv-{kv}",
                 "hog" if hog else "", tag]
        self.name = " ".join(word for word in words if word)
        self.server = None

    @staticmethod
    def knows(setup, weight_format):
        """Whether this engine is installed and runs the format."""
        del setup, weight_format
        return True

    def describe(self):
        return {"name": self.name, "kind": self.kind, "format": self.format.name, "kv": self.kv}

    def stop(self):
        if self.server:
            self.setup.children.stop(self.server)
            self.server = None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_healthy(process, url, log):
    """Seconds until /health answers 200."""
    begin = time.monotonic()
    while time.monotonic() - begin < START_SECONDS:
        if process.poll() is not None:
            raise RuntimeError(f"server ended with {process.returncode}: "
                               + " ".join(log.read_text().split())[-400:])
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return time.monotonic() - begin
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"server not ready after {START_SECONDS} s")


def resident_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


class Quire(Engine):
    kind = "quire"
    prefault = True

    @property
    def program(self):
        return self.setup.quire

    def common_flags(self):
        folder = self.setup.models / f"{self.setup.shape}-{self.format.checkpoint}"
        return ["--model", str(folder), "--threads", str(self.setup.threads),
                "--kv-cache-dtype", self.kv, *self.format.quire_flags, *self.setup.quire_flags,
                *self.flags]

    def memory_flags(self, tokens):
        """KV memory as peers have it: for so many tokens, taken at start."""
        if not self.prefault:
            return []
        size = tokens * kv_token_bytes(self.setup.config(), self.kv)
        return ["--kv-cache-prefault", "--kv-cache-memory", str(int(size) + STATE_BYTES)]

    def offline_command(self, command, sequences, input_tokens, output_tokens, extra=()):
        words = [self.program, "bench", command, "--json", "--sequences", str(sequences),
                 "--input-tokens", str(input_tokens), "--output-tokens", str(output_tokens),
                 *extra, *self.common_flags(),
                 *self.memory_flags(2 * sequences * (input_tokens + output_tokens + SLACK_TOKENS))]
        return words if "--speculation" in words else [*words, "--speculation", "none"]

    def offline(self, *arguments):
        return json.loads(
            self.setup.children.output(self.offline_command(*arguments), RUN_SECONDS))

    def start_paced(self, sequences, input_tokens, output_tokens):
        words = self.offline_command("latency", sequences, input_tokens, output_tokens, ["--paced"])
        return PacedRounds(self.setup.children, words)

    def latency(self, sequences, input_tokens, output_tokens, extra=()):
        words = list(extra)
        if "--warmup-rounds" not in words:
            words += ["--warmup-rounds", "1"]
        result = self.offline("latency", sequences, input_tokens, output_tokens,
                              [*words, "--rounds", "1"])
        steps = max(1, result["steps"])
        return {"prefill": result["prefill_tokens_per_second"],
                "decode": result["decode_tokens_per_second"],
                "ttft_ms": result["rounds"][0]["ttft_ms"]["p50"],
                "step_ms": result["rounds"][0]["step_ms"]["p50"],
                "accepted_per_step": result["accepted_draft_tokens"] / steps,
                "load_s": result["load_seconds"], "loaded_mb": result["loaded_bytes"] / 1e6,
                "peak_mb": result["peak_bytes"] / 1e6, "weights_mb": result["weight_bytes"] / 1e6,
                "kv_token_bytes": result["kv_bytes_per_token"], "isa": result["isa"]}

    def bare(self, input_tokens, output_tokens):
        """What llama-bench measures: a prompt, and apart from it tokens from an empty context on."""
        return {"prefill": self.latency(1, input_tokens, 2)["prefill"],
                "decode": self.latency(1, 1, output_tokens)["decode"]}

    def memory(self):
        self.prefault = False
        return self.latency(1, 16, 2, ["--warmup-rounds", "0"])

    def start_server(self, slots, tokens):
        port = free_port()
        log = self.setup.logs / f"{self.name.replace(' ', '-')}.log"
        command = [self.program, "serve", "--port", str(port), "--max-num-seqs", str(slots),
                   *self.common_flags(), *self.memory_flags(slots * tokens)]
        if "--speculation" not in command:
            command += ["--speculation", "none"]
        with open(log, "w", encoding="utf-8") as file:
            self.server = self.setup.children.start(command, stdout=file, stderr=file)
        wait_healthy(self.server, f"http://127.0.0.1:{port}", log)
        return f"http://127.0.0.1:{port}"


class PacedRounds:
    """A loaded `quire bench latency --paced`, which takes a round when it is told to."""

    def __init__(self, children, command):
        self.children = children
        self.process = children.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True)

    def round(self, number):
        """Equal numbers have equal prompts: the second time the prefix cache knows them."""
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a paced round: status {self.process.wait()}")
        answer = json.loads(line)
        return {"prefill": answer["prefill_tokens_per_second"],
                "decode": answer["decode_tokens_per_second"]}

    def stop(self):
        self.process.stdin.close()
        self.children.stop(self.process)


class FreeOrder(Quire):
    """Quire with kernels whose sums need not come in one order (bench/free_order_body.h)."""
    kind = "free order"

    @property
    def program(self):
        return str(pathlib.Path(self.setup.quire).with_name("quire_free_order"))


class Llama(Engine):
    """llama.cpp in its chroot; KV in f16 stands for bf16, q8_0 for int8."""
    kind = "llama.cpp"

    def command(self, program):
        return ["chroot", str(self.setup.root), program, "-m",
                f"/models/{self.setup.shape}-{self.format.gguf}.gguf",
                "-t", str(self.setup.threads), *self.kv_flags(), *self.flags]

    def kv_flags(self):
        return ["-ctk", "q8_0", "-ctv", "q8_0", "-fa", "on"] if self.kv == "int8" else []

    def latency(self, sequences, input_tokens, output_tokens, extra=()):
        del extra  # of Quire's command
        tokens = sequences * (input_tokens + output_tokens + SLACK_TOKENS)
        command = [*self.command("llama-batched-bench"), "-c", str(tokens), "-b", "2048", "-ub",
                   "512", "-npp", str(input_tokens), "-ntg", str(output_tokens), "-npl",
                   str(sequences), "--output-format", "jsonl"]
        for _ in range(PEER_TRIES):
            out = self.setup.children.output(command, RUN_SECONDS)
            lines = [text for text in out.splitlines() if text.startswith("{")]
            if lines:
                break
        else:
            raise RuntimeError("llama-batched-bench printed no result")
        line = json.loads(lines[0])
        return {"prefill": line["speed_pp"], "decode": line["speed_tg"],
                "ttft_ms": 1e3 * line["t_pp"], "step_ms": 1e3 * line["t_tg"] / output_tokens}

    def bare(self, input_tokens, output_tokens):
        """llama-bench, whose decode starts from an empty context."""
        out = self.setup.children.output(
            [*self.command("llama-bench"), "-p", str(input_tokens), "-n", str(output_tokens), "-r",
             "2", "-o", "json"], RUN_SECONDS)
        rates = {("prefill" if test["n_prompt"] else "decode"): test["avg_ts"]
                 for test in json.loads(out)}
        return {**rates, "ttft_ms": 1e3 * input_tokens / rates["prefill"],
                "step_ms": 1e3 / rates["decode"]}

    def memory(self):
        begin = time.monotonic()
        self.start_server(1, 4096)
        seconds = time.monotonic() - begin
        try:
            log = self.log_path().read_text(errors="replace")
            sizes = [float(v) for v in re.findall(r"KV buffer size\s*=\s*([\d.]+) MiB", log)]
            result = {"load_s": seconds, "loaded_mb": resident_bytes(self.server.pid) / 1e6}
            if sizes:
                result["kv_token_bytes"] = sum(sizes) * 2**20 / 4096
            return result
        finally:
            self.stop()

    def log_path(self):
        return self.setup.logs / f"{self.name.replace(' ', '-')}.log"

    def start_server(self, slots, tokens):
        port = free_port()
        with open(self.log_path(), "w", encoding="utf-8") as file:
            self.server = self.setup.children.start(
                [*self.command("llama-server"), "--host", "127.0.0.1", "--port", str(port), "-np",
                 str(slots), "-c", str(slots * tokens)], stdout=file, stderr=file)
        wait_healthy(self.server, f"http://127.0.0.1:{port}", self.log_path())
        return f"http://127.0.0.1:{port}"


class OpenVino(Engine):
    """OpenVINO GenAI from the same GGUF file, offline only; it reads no bf16 GGUF."""
    kind = "openvino"
    KV = {"bf16": "f16", "int8": "u8"}

    @staticmethod
    def knows(setup, weight_format):
        return setup.openvino.exists() and weight_format != "bf16"

    def latency(self, sequences, input_tokens, output_tokens, extra=()):
        del extra
        config = self.setup.config()
        path = self.setup.root / "models" / f"{self.setup.shape}-{self.format.gguf}.gguf"
        tokens = sequences * (input_tokens + output_tokens + SLACK_TOKENS)
        gib = 1 + int(2 * tokens * kv_token_bytes(config, "bf16")) // 2**30
        out = self.setup.children.output(
            [str(self.setup.openvino), str(OPENVINO_SCRIPT), "--gguf", str(path), "--sequences",
             str(sequences), "--input-tokens", str(input_tokens), "--output-tokens",
             str(output_tokens), "--threads", str(self.setup.threads), "--vocab",
             str(config["vocab_size"]), "--kv", self.KV[self.kv], "--kv-gib", str(gib)],
            RUN_SECONDS)
        return json.loads(out.splitlines()[-1])


class Load:
    """`quire bench serve` against a running server."""

    def __init__(self, setup):
        self.setup = setup

    def command(self, url, **flags):
        vocab = self.setup.config()["vocab_size"] - RESERVED_TOKENS
        words = [self.setup.quire, "bench", "serve", "--json", "--url", url, "--vocab", str(vocab)]
        for name, value in flags.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words

    def run(self, url, **flags):
        return self.metrics(self.setup.children.output(self.command(url, **flags), RUN_SECONDS))

    @staticmethod
    def metrics(text):
        report = json.loads(text)
        if report["failed"]:
            raise RuntimeError(f"{report['failed']} of {report['requests']} requests failed")
        return {"out": report["output_tokens_per_second"], "req": report["requests_per_second"],
                "goodput": report["goodput_per_second"], "seconds": report["seconds"],
                "attained": report["goodput_per_second"] / max(report["requests_per_second"], 1e-9),
                "ttft_p50": report["ttft_ms"]["p50"], "ttft_p99": report["ttft_ms"]["p99"],
                "itl_p50": report["itl_ms"]["p50"], "itl_p99": report["itl_ms"]["p99"],
                "itl_max": report["itl_ms"]["max"], "e2e_p50": report["end_to_end_ms"]["p50"]}
