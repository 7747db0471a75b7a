#!/usr/bin/env python3
"""Holds the grammars of JSON schemas against the JSON Schema test suite and against the package jsonschema.

    schema_suite.py suite PROGRAM FOLDER    the suite's tests/draft2020-12; PROGRAM is build/.../schema_texts
    schema_suite.py random PROGRAM [count] [seed]

A text that the suite or the package calls invalid must never be accepted. A valid one should be, in the schema's order of
properties; how many are is told, as are the keywords whose schemas are refused.
"""
import collections
import json
import pathlib
import random
import subprocess
import sys

import jsonschema

from check_structured import random_schema
from random_schema import NAMES, leaning_schema


def ask(program, questions):
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    out = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.decode().split("\n") if line]


def spell(value):
    return json.dumps(value, ensure_ascii=False)


def in_schema_order(schema, value):
    if not isinstance(value, dict) or not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return value
    names = [name for name in schema["properties"] if name in value]
    return {name: in_schema_order(schema["properties"].get(name), value[name])
            for name in names + [name for name in value if name not in names]}


def suite(program, folder):
    groups = [(path.stem, group) for path in sorted(pathlib.Path(folder).glob("*.json"))
              for group in json.loads(path.read_text())]
    questions = [{"schema": group["schema"],
                  "texts": [spell(in_schema_order(group["schema"], test["data"])) for test in group["tests"]]}
                 for _, group in groups]
    wrong = valid = accepted = rejected = 0
    refused = collections.Counter()
    narrow = collections.Counter()
    for (name, group), answer in zip(groups, ask(program, questions)):
        if "error" in answer:
            refused[name] += 1
            continue
        for test, accepts in zip(group["tests"], answer["accepts"]):
            if test["valid"]:
                valid += 1
                accepted += accepts
                narrow[name] += not accepts
            elif accepts:
                wrong += 1
                print("ACCEPTED ALTHOUGH INVALID:", name, "|", group["description"], "|", test["description"])
            else:
                rejected += 1
    print(f"{len(groups)} schemas, {sum(refused.values())} refused by name: {dict(refused)}")
    print(f"{rejected} invalid texts rejected, {wrong} accepted; {accepted} of {valid} valid ones accepted")
    print("valid but not in the grammar:", {name: count for name, count in narrow.items() if count})
    return wrong


def mutate(rng, value):
    """A value that is near the given one."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        out = dict(value)
        if rng.random() < 0.4:
            del out[name]
        else:
            out[name] = mutate(rng, value[name])
        return out
    if isinstance(value, dict) and rng.random() < 0.5:
        return {**value, rng.choice(NAMES): rng.choice([1, "a", None])}
    if isinstance(value, list) and rng.random() < 0.25:
        return value + [rng.choice([1, 2, "a", None, True])]
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return value[:at] + [mutate(rng, value[at])] * rng.randint(0, 2) + value[at + 1:]
    if isinstance(value, str) and rng.random() < 0.6:
        return value + "x" if rng.random() < 0.5 else value[:-1]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.6:
        return value + rng.choice([1, -1, 100, 0.5])
    return rng.choice([None, True, 0, "", "a", [], {}, 7, -1])


def randomly(program, count, seed):
    rng = random.Random(seed)
    schemas = [random_schema(rng) if i % 2 else leaning_schema(rng) for i in range(count)]
    answers = ask(program, [{"schema": schema, "texts": [], "samples": 8} for schema in schemas])
    wrong = samples = refused = 0
    second = []
    for schema, answer in zip(schemas, answers):
        if "error" in answer:
            refused += 1
            continue
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        texts = []
        for text in answer["samples"]:
            samples += 1
            value = json.loads(text)
            if "Infinity" in json.dumps(value):  # 1e999, of which Python knows no better
                continue
            if not validator.is_valid(value):
                wrong += 1
                print("INVALID SAMPLE:", text, json.dumps(schema))
            texts += [value] + [mutate(rng, value) for _ in range(6)]
        second.append((schema, validator, texts))
    questions = [{"schema": schema, "texts": [spell(value) for value in texts]} for schema, _, texts in second]
    both = valid = invalid = 0
    for (schema, validator, texts), answer in zip(second, ask(program, questions)):
        for value, accepts in zip(texts, answer["accepts"]):
            good = validator.is_valid(value)
            valid += good
            invalid += not good
            both += good and accepts
            if accepts and not good:
                wrong += 1
                print("ACCEPTED ALTHOUGH INVALID:", json.dumps(value), json.dumps(schema))
    print(f"{count} schemas, {refused} refused; {samples} texts of the grammars; {invalid} invalid values beside {valid} "
          f"valid ones, {both} of which accepted; {wrong} wrong")
    return wrong


if __name__ == "__main__":
    mode, path = sys.argv[1], sys.argv[2]
    if mode == "suite":
        sys.exit(1 if suite(path, sys.argv[3]) else 0)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    sys.exit(1 if randomly(path, count, seed) else 0)
