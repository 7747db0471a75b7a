#!/usr/bin/env python3
"""How far quantization at load and fast arithmetic move the demo model's log-probabilities.

  tools/quantization_effect.py build/quire [--model DIR]

For each --quantization and --dtype the server scores every text of demo/expected.json (prompt and answer; several
thousand tokens); the first row, float weights in f32 arithmetic, is the reference. Of all scored tokens: the mean
and the largest change of the token's log-probability, the change of the perplexity, and how often the most likely
token stays the same. Keys and values are f32 throughout, so that only the weights and their arithmetic differ.
"""
import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness import DEMO, Server  # noqa: E402  pylint: disable=wrong-import-position

ARITHMETIC = {"f32": "f32", "fast": "bf16"}  # what --dtype calls them


def scores(binary, model, texts, quantization, arithmetic):
    """[(log-probability, whether the token is the most likely one)] of every token but the first of each text."""
    out = []
    with Server(binary, "--quantization", quantization, "--dtype", ARITHMETIC[arithmetic],
                "--kv-cache-dtype", "f32", model=model) as server:
        for ids in texts:
            answer = server.post("/v1/completions", {"prompt": ids, "max_tokens": 1, "prompt_logprobs": 1})
            rows = answer["choices"][0]["prompt_logprobs"][1:]
            for token, row in zip(ids[1:], rows):
                best = max(row, key=lambda key: row[key]["logprob"])
                out.append((row[str(token)]["logprob"], best))
    return out


def row_of(name, arithmetic, got, reference):
    changes = [abs(a - b) for (a, _), (b, _) in zip(got, reference)]
    same = sum(a == b for (_, a), (_, b) in zip(got, reference)) / len(got)
    perplexity, before = (math.exp(-sum(a for a, _ in s) / len(s)) for s in (got, reference))
    return [name, arithmetic, f"{sum(changes) / len(changes):.2g}", f"{max(changes):.2g}",
            f"{perplexity:.3f} ({100 * (perplexity / before - 1):+.2f} %)", f"{100 * same:.1f} %"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--tokens", type=int, default=1900, help="longest text that is scored")
    options = parser.parse_args()
    cases = json.loads((DEMO / "expected.json").read_text())["cases"]
    texts = [(case["prompt_ids"] + case["new_ids"])[:options.tokens] for case in cases]
    rows, reference = [], None
    for quantization in ("none", "int8", "int4"):
        for arithmetic in ARITHMETIC:
            got = scores(options.binary, options.model, texts, quantization, arithmetic)
            reference = reference or got
            rows.append(row_of(quantization, arithmetic, got, reference))
    header = ["weights", "arithmetic", "mean change", "largest", "perplexity", "same best token"]
    for row in [header, ["---"] * len(header)] + rows:
        print("| " + " | ".join(row) + " |")
    print(f"\n{len(reference)} tokens of {len(texts)} texts")


if __name__ == "__main__":
    main()
