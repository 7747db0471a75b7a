"""Writes the seed corpus of one fuzz target, made of the small files that the tests keep."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENIZERS = ROOT / "tests" / "golden" / "tokenizers"


def template_cases():
    return json.loads((ROOT / "tests" / "golden" / "templates" / "cases.json").read_text())


def tokenizer_json():
    for path in TOKENIZERS.glob("*/tokenizer.json"):
        yield path.read_bytes()
        yield path.read_bytes() + b"\0Hello \xef\xac\x81 \xe4\xbd\xa0 <s>"


def sentencepiece():
    for pattern in ("*/*.model", "*/*.tiktoken", "*/*.jsonl"):
        for path in TOKENIZERS.glob(pattern):
            yield path.read_bytes()


def template():
    for case in template_cases()["cases"]:
        yield case["template"].encode() if isinstance(case, dict) else case[0].encode()
    yield (ROOT / "demo" / "chat_template.jinja").read_bytes()


def template_context():
    contexts = template_cases()["contexts"]
    for value in contexts.values() if isinstance(contexts, dict) else contexts:
        yield b"\0" + json.dumps(value).encode()
    for case in json.loads((ROOT / "demo" / "expected.json").read_text())["cases"]:
        yield b"\0" + json.dumps({key: case.get(key) for key in ("messages", "tools")}).encode()


def config():
    yield (ROOT / "demo" / "config.json").read_bytes()
    for path in (ROOT / "tests" / "golden").glob("*.json"):
        yield json.dumps(json.loads(path.read_text()).get("config", {})).encode()


def safetensors():
    data = (ROOT / "demo" / "model.safetensors").read_bytes()
    header = int.from_bytes(data[:8], "little")
    yield data[:8 + header]
    tiny = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    yield len(tiny).to_bytes(8, "little") + tiny + bytes(8)


SEEDS = {
    "config_fuzz": config,
    "safetensors_fuzz": safetensors,
    "sentencepiece_fuzz": sentencepiece,
    "template_context_fuzz": template_context,
    "template_fuzz": template,
    "tokenizer_json_fuzz": tokenizer_json,
}


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for idx, seed in enumerate(SEEDS[target]()):
        (folder / f"seed_{idx}").write_bytes(seed)


if __name__ == "__main__":
    main()
