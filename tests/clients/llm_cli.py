"""Simon Willison's `llm` program: a prompt, streamed and not, and a schema, against a model from its extra list."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

program = pathlib.Path(sys.executable).parent / "llm"
with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "extra-openai-models.yaml").write_text(
        f"- model_id: quire\n  model_name: demo\n  api_base: {sys.argv[1]}/v1\n  supports_schema: true\n")
    environment = {**os.environ, "LLM_USER_PATH": folder, "OPENAI_API_KEY": "none"}

    def ask(*words):
        return subprocess.run([program, "-m", "quire", "-o", "temperature", "0", "-o", "max_tokens", "60", *words],
                              env=environment, check=True, capture_output=True, text=True).stdout.strip()

    assert ask("Tell me a story.") == ask("--no-stream", "Tell me a story.") != ""
    schema = {"type": "object", "properties": {"age": {"type": "integer", "maximum": 99, "minimum": 0}},
              "required": ["age"], "additionalProperties": False}
    assert 0 <= json.loads(ask("--schema", json.dumps(schema), "Who?"))["age"] <= 99
print("  llm: streamed equals whole, schema: ok")
