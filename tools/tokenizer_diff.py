"""Random texts and ids through a tokenizer folder: our answers against the tokenizers library's.

    python tools/tokenizer_diff.py FOLDER... [--command build/tokenize_lines] [--count 2000] [--seed 1]

`--command` is a program that takes the folder as its last argument and answers JSON lines
(`quire tokenize --model` or build/tokenize_lines). Prints the first differences; exits 1 if any.
"""

import argparse
import json
import os
import random
import shlex
import subprocess
import sys
import unicodedata

from tokenizers import Tokenizer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tokenizer_golden import CORPUS, NASTY, POOL  # noqa: E402

ASSIGNED = [c for c in range(1, 0x2FFFF) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]


def texts(rng, count, added):
    words = " ".join(CORPUS).split(" ")
    for _ in range(count):
        kind = rng.randrange(5)
        size = rng.randint(1, 40)
        if kind == 0:
            yield "".join(chr(rng.choice(ASSIGNED)) for _ in range(size))
        elif kind == 1:
            yield "".join(rng.choice(POOL) for _ in range(size))
        elif kind == 2:
            yield rng.choice(["", " ", "  ", "\n", "\r\n"]).join(rng.choice(words) for _ in range(size))
        elif kind == 3:
            parts = [rng.choice(added + [" ", "a", "x y", "\n", "é", "-"]) for _ in range(rng.randint(1, 12))]
            yield "".join(parts)
        else:
            text = rng.choice(NASTY + CORPUS)
            at = rng.randint(0, len(text))
            yield text[:at] + rng.choice(POOL) * rng.randint(1, 4) + text[at:]


def compare(folder, args):
    tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tok.no_truncation()
    tok.no_padding()
    rng = random.Random(args.seed)
    added = [t.content for t in tok.get_added_tokens_decoder().values()]
    ids_all = [i for i in range(tok.get_vocab_size()) if tok.id_to_token(i) is not None]
    requests, expected = [], []

    def expect(request, make):
        try:
            expected.append(make())
            requests.append(request)
        except BaseException as error:  # what the library itself cannot do is no case
            if isinstance(error, KeyboardInterrupt):
                raise

    for text in texts(rng, args.count, added):
        special = rng.random() < 0.5
        expect({"text": text, "add_special_tokens": special},
               lambda: tok.encode(text, add_special_tokens=special).ids)
    for i in range(args.count // 2):
        ids = [rng.choice(ids_all) for _ in range(rng.randint(0, 20))]
        skip = rng.random() < 0.5
        expect({"ids": ids, "skip_special_tokens": skip, "stream": i % 2 == 0},
               lambda: tok.decode(ids, skip_special_tokens=skip))
    run = subprocess.run(shlex.split(args.command) + [folder], input="\n".join(map(json.dumps, requests)) + "\n",
                         capture_output=True, text=True, encoding="utf-8", check=False)
    if run.returncode:
        print(folder, run.stderr.strip())
        return 1
    answers = [json.loads(line) for line in run.stdout.split("\n") if line]
    assert len(answers) == len(requests), (len(answers), len(requests))
    wrong = [(r, e, a) for r, e, a in zip(requests, expected, answers) if e != a.get("ids", a.get("text"))]
    print(f"{folder}: {len(requests)} requests, {len(wrong)} differ")
    for request, want, got in wrong[: args.show]:
        print("  ", json.dumps(request), "\n    want", want, "\n    got ", got.get("ids", got.get("text", got)))
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--command", default="build/tokenize_lines")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    sys.exit(1 if sum(compare(folder, args) for folder in args.folders) else 0)


if __name__ == "__main__":
    main()
