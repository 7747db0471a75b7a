"""Writes the seed corpus of one fuzz target, made of the small files that the tests keep."""
import json
import pathlib
import random
import re
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


def http_messages():
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\n"
    yield b"\0GET /v1/models?a=b HTTP/1.1\r\nHost: localhost:8000\r\nConnection: close\r\n\r\n"
    yield b"\1" + head + b"Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
    yield b"\2" + head + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nTrailer: t\r\n\r\n"
    yield b"\3GET http://a/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
    yield b"\4OPTIONS * HTTP/1.0\r\n\r\n"


def request_bodies():
    message = {"role": "user", "content": "a"}
    tool = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
    bodies = [
        {"messages": [message], "max_tokens": 4, "stop": ["x"], "logit_bias": {"5": 1}, "logprobs": True,
         "tools": [{"type": "function", "function": tool}], "tool_choice": "auto", "stream": True,
         "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
        {"prompt": [[1, 2], [3]], "n": 2, "echo": True, "logprobs": 1, "max_tokens": 1, "seed": 3, "suffix": ""},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                   {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                   {"type": "function_call_output", "call_id": "c", "output": "o"}], "instructions": "i",
         "tools": [{"type": "function", **tool}], "text": {"format": {"type": "text"}}, "reasoning": {"effort": "low"}},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
                      {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}],
         "max_tokens": 4, "system": [{"type": "text", "text": "s"}], "thinking": {"type": "enabled", "budget_tokens": 9},
         "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}},
        {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": "f", "text": "t"}]},
        {"messages": [message]}, {"content": "abc", "with_pieces": True}, {"tokens": [1, 2, 3]},
        {"prompt": ["a", [1, "b"]], "n_predict": 0, "n_probs": 2, "response_fields": ["content", "timings/x"]}]
    chat = {"messages": [{"role": "assistant", "content": "a"}], "max_tokens": 4}
    for more in ({"functions": [tool], "function_call": {"name": "f"}}, {"echo": True, "detokenize": False},
                 {"chat_template": "{{ messages }}<tool_call>", "return_token_offsets": True},
                 {"prediction": {"type": "content", "content": [{"type": "text", "text": "a"}]}, "n": 2},
                 {"structured_outputs": {"regex": "a+"}, "bad_words": ["a"], "logprob_token_ids": [1], "logprobs": True},
                 {"tools": [{"type": "function", "function": tool}], "tool_choice": "required", "min_tokens": 2}):
        yield b"\0" + json.dumps({**chat, **more}).encode()
    yield b"\2" + json.dumps({"input": "a", "truncation": "auto", "max_output_tokens": 2**63 - 1, "top_logprobs": 2,
                              "include": ["message.output_text.logprobs"]}).encode()
    for index, body in enumerate(bodies):
        yield bytes([index]) + json.dumps(body).encode()


def raw_strings(*names):
    """The raw string literals of C++ tests."""
    for name in names:
        text = (ROOT / "tests" / name).read_text()
        for match in re.finditer(r'R"(\w*)\((.*?)\)\1"', text, re.DOTALL):
            yield match.group(2)


def json_texts(value):
    """The value and everything in it that could be a schema."""
    if isinstance(value, dict):
        yield json.dumps(value).encode()
        for member in value.values():
            yield from json_texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from json_texts(member)


def random_schemas(count):
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from check_structured import random_schema
    except ImportError:  # without the package jsonschema
        return
    rng = random.Random(0)
    for _ in range(count):
        yield json.dumps(random_schema(rng)).encode()


def schema():
    names = [str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").glob("*/*_test.cc")]
    for text in raw_strings(*sorted(names)):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        yield from json_texts(value)
    yield b"true"
    for keyword in ("not", "anyOf", "oneOf", "allOf", "if"):
        for inner in ({"type": "integer", "minimum": 3}, {"required": ["a"]}, {"properties": {"a": {"const": 1}}}):
            value = inner if keyword in ("not", "if") else [inner, {"type": "string", "maxLength": 2}]
            yield json.dumps({"type": ["object", "integer"], keyword: value, "then": {"maximum": 9}}).encode()
    yield from random_schemas(200)


def regex():
    yield from (b"a*b", b"(ab|c){2,3}", b"[^a-c]+\\d{3}-\\w+", b"^x?$", b"(a*)*b", b"[\xc3\xa9-\xc3\xbc]",
                b"(?:a|)b\\u00e9\\x41", b"^(\\d{1,3}\\.){3}\\d{1,3}$", b"[A-Za-z]{1,3}( [A-Za-z]{1,12}){0,40}\\.")


def gbnf():
    for text in raw_strings("grammar/grammar_test.cc", "sim/world.cc"):
        if "::=" in text:
            yield text.encode()


SEEDS = {
    "gbnf_fuzz": gbnf,
    "regex_fuzz": regex,
    "schema_fuzz": schema,
    "config_fuzz": config,
    "http_parser_fuzz": http_messages,
    "request_body_fuzz": request_bodies,
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
