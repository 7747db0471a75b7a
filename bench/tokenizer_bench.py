"""One thread of ours against one thread of Hugging Face tokenizers, on the same texts in one run.

    python bench/tokenizer_bench.py [--bench build/tokenizer_bench] [--folder FOLDER] [--chinese FILE]

Without --folder a byte-level BPE with the pattern of Qwen is trained on the texts first. English is the
repository's documents, code its sources. Prints MB/s of both and the ratio, and fails when the ids of
the two differ.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer, trainers, pre_tokenizers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import tokenizer_golden as golden  # noqa: E402


def documents(path):
    out, document = [], ""
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            document += line if line.endswith("\n") else line + "\n"
            if len(document.encode()) >= 4096:
                out.append(document)
                document = ""
    return out + ([document] if document else [])


def gather(patterns, path, limit=2_000_000):
    text = ""
    for pattern in patterns:
        for name in sorted(glob.glob(pattern, recursive=True)):
            with open(name, encoding="utf-8", errors="replace") as file:
                text += file.read()
            if len(text) > limit:
                break
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text[:limit])


def train(texts, folder):
    tok = golden.bpe()
    tok.pre_tokenizer = pre_tokenizers.Sequence([golden.split(golden.QWEN), golden.BYTES])
    trainer = trainers.BpeTrainer(vocab_size=32000, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train(texts, trainer)
    tok.save(os.path.join(folder, "tokenizer.json"))


def reference(tok, path):
    docs = documents(path)
    checksum, count = 0, 0
    for doc in docs:
        ids = tok.encode(doc, add_special_tokens=False).ids
        count += len(ids)
        for i in ids:
            checksum = (checksum * 31 + i) % 1_000_000_007
    size = sum(len(d.encode()) for d in docs)
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < 1.5:
        tok.encode_batch_fast(docs, add_special_tokens=False)  # without offsets: its fastest way
        done += size
    return done / (time.perf_counter() - begin) / 1e6, count, checksum


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", default=os.path.join(ROOT, "build", "tokenizer_bench"))
    parser.add_argument("--folder")
    parser.add_argument("--chinese", default="/usr/share/gnupg/help.zh_CN.txt")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        paths = [os.path.join(temp, name) for name in ("english", "code", "chinese")]
        gather([ROOT + "/docs/**/*.md", ROOT + "/*.md", ROOT + "/demo/*.md", ROOT + "/seeds/**/*.md"], paths[0])
        gather([ROOT + "/models/**/*.cc", ROOT + "/base/*.cc", ROOT + "/tools/*.py"], paths[1])
        gather([args.chinese], paths[2])
        paths = [p for p in paths if os.path.getsize(p)]
        folder = args.folder or temp
        if not args.folder:
            train(paths, temp)
        begin = time.perf_counter()
        tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        load = time.perf_counter() - begin
        run = subprocess.run([args.bench, folder, *paths], capture_output=True, text=True, check=True)
        ours = [json.loads(line) for line in run.stdout.splitlines()]
        print(f"load: ours {ours[0]['load_s']:.3f} s, tokenizers {load:.3f} s")
        same = True
        for answer in ours[1:]:
            speed, count, checksum = reference(tok, answer["file"])
            equal = (count, checksum) == (answer["ids"], answer["checksum"])
            same = same and equal
            print(f"{os.path.basename(answer['file']):8} ours {answer['mb_s']:7.2f} MB/s, tokenizers {speed:6.2f} MB/s, "
                  f"ratio {answer['mb_s'] / speed:5.2f}, {'same ids' if equal else 'IDS DIFFER'}")
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
