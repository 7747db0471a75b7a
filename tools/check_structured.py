#!/usr/bin/env python3
"""Asks a running server for answers to random JSON schemas and validates each with the package jsonschema.

    check_structured.py http://127.0.0.1:8000 [count] [seed]
"""
import json
import random
import sys
import urllib.error
import urllib.request

import jsonschema


def random_condition(rng, depth=0):
    """A schema whose opposite is a schema, too."""
    kinds = ["type", "const", "enum", "minimum", "exclusiveMaximum", "minLength", "pattern", "required"]
    kind = rng.choice(kinds + ["properties", "items", "anyOf", "not"] * (depth < 2))
    inner = random_condition(rng, depth + 1) if depth < 2 else True
    return {"type": {"type": rng.choice(["string", "integer", "object", ["null", "number"]])}, "const": {"const": rng.choice([1, "a", None])},
            "enum": {"enum": ["b c", 2.5, True]}, "minimum": {"minimum": rng.randint(-9, 9)},
            "exclusiveMaximum": {"type": "number", "exclusiveMaximum": rng.randint(-9, 9)},
            "minLength": {"minLength": rng.randint(0, 4)}, "pattern": {"type": "string", "pattern": rng.choice(["a", "^[a-z]+$"])},
            "required": {"required": rng.sample(["id", "name", "items"], rng.randint(1, 2))},
            "properties": {"properties": {rng.choice(["id", "name"]): inner}}, "items": {"items": inner},
            "anyOf": {"anyOf": [inner, {"type": "boolean"}]}, "not": {"not": inner}}[kind]


def random_schema(rng, depth=0):
    """A schema out of the keywords that the server enforces."""
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "pattern", "format"]
    if depth < 3:
        kinds += ["object"] * 4 + ["array"] * 2 + ["anyOf", "allOf", "oneOf", "not", "if"]
    kind = "object" if depth == 0 else rng.choice(kinds)
    if kind == "string":
        low = rng.randint(0, 5)
        return {"type": "string", "minLength": low, "maxLength": low + rng.randint(0, 10)}
    if kind == "integer":
        low = rng.randint(-50, 50)
        schema = {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 300)}
        if rng.random() < 0.3:
            schema["multipleOf"] = rng.randint(1, 7)
            schema["maximum"] = low + 300
        return schema
    if kind == "number":
        low = round(rng.uniform(-5, 5), 2)
        return {"type": "number", "minimum": low, "maximum": round(low + rng.uniform(0.1, 10), 2)}
    if kind == "enum":
        return {"enum": rng.sample(["a", "b c", 1, 2.5, None, True, "\u00e9\""], rng.randint(1, 4))}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice(["^[a-z]{2,4}$", "^\\d{3}-\\d{4}$", "x", "^(ab|cd)+$"]),
                **({"maxLength": 12} if rng.random() < 0.5 else {})}
    if kind == "format":
        return {"type": "string", "format": rng.choice(["date", "uuid", "ipv4", "email"])}
    if kind == "array":
        low = rng.randint(0, 2)
        return {"type": "array", "items": random_schema(rng, depth + 1), "minItems": low, "maxItems": low + rng.randint(0, 2)}
    if kind == "anyOf":
        return {"anyOf": [random_schema(rng, depth + 1) for _ in range(rng.randint(1, 3))]}
    if kind == "oneOf":
        return {"oneOf": [random_schema(rng, depth + 1) for _ in range(rng.randint(1, 3))]}
    if kind == "not":
        return {**random_schema(rng, depth + 1), "not": random_condition(rng)}
    if kind == "if":
        return {**random_schema(rng, depth + 1), "if": random_condition(rng), "then": random_schema(rng, depth + 1),
                **({"else": random_schema(rng, depth + 1)} if rng.random() < 0.7 else {})}
    if kind == "allOf":
        return {"allOf": [{"type": "integer", "minimum": rng.randint(0, 9)}, {"maximum": rng.randint(10, 99)}]}
    if kind in ("boolean", "null"):
        return {"type": kind}
    names = rng.sample(["id", "name", "x-y", "\u00fcber", "a\"b", "items", "k1"], rng.randint(1, 4))
    schema = {"type": "object", "properties": {name: random_schema(rng, depth + 1) for name in names},
              "required": rng.sample(names, rng.randint(0, len(names))), "additionalProperties": rng.random() < 0.2}
    if rng.random() < 0.2:
        schema["dependentRequired"] = {names[0]: [names[-1]]}
    if rng.random() < 0.2:
        schema["minProperties"] = 1
    return schema


def main():
    url, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    valid = cut = refused = 0
    for number in range(count):
        schema = random_schema(rng)
        body = {"messages": [{"role": "user", "content": "Tell me something."}], "temperature": rng.choice([0, 1, 2]),
                "seed": number, "max_tokens": 400,
                "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
        request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            choice = json.load(urllib.request.urlopen(request))["choices"][0]
        except urllib.error.HTTPError as error:
            refused += 1
            print("refused:", json.load(error)["error"]["message"], json.dumps(schema)[:200])
            continue
        if choice["finish_reason"] == "length":
            cut += 1
            continue
        value = json.loads(choice["message"]["content"])
        jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator,
                            format_checker=jsonschema.FormatChecker())
        valid += 1
    print(f"{valid} valid, {cut} cut by max_tokens, {refused} refused, of {count}")


if __name__ == "__main__":
    main()
