#!/usr/bin/env python3
"""How long Quire takes to load a checkpoint, against reading the same files.

  tools/load_time.py build/quire DIR [--rounds N] [-- FLAGS]

Each round reads all .safetensors files once with large preads (so that they come from the page cache, and to
know how fast that is), then starts `quire serve` on the folder without its tokenizer and waits for the ready
line. Printed: seconds, GB/s of file bytes, processor seconds (which other processes on the machine hardly change),
and the server's peak resident memory.
"""
import argparse
import os
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness import Server  # noqa: E402  pylint: disable=wrong-import-position


def read_all(paths):
    buffer, began = bytearray(1 << 20), time.perf_counter()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.perf_counter() - began


def start(binary, folder, flags):
    began = time.perf_counter()
    with Server(binary, "--max-model-len", "1024", "--kv-cache-memory", "256M", *flags, model=folder) as server:
        seconds = time.perf_counter() - began
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        ticks = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        processor = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        return seconds, processor, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as bare:
        for path in options.folder.resolve().iterdir():
            if path.suffix == ".safetensors" or path.name in ("config.json", "model.safetensors.index.json"):
                os.symlink(path, pathlib.Path(bare) / path.name)
        files = sorted(pathlib.Path(bare).glob("*.safetensors"))
        size = sum(f.stat().st_size for f in files)
        for _ in range(options.rounds):
            read = read_all(files)
            seconds, processor, peak = start(options.binary, bare, options.flags)
            print(f"{size / 1e9:.2f} GB: read in {read:.2f} s ({size / read / 1e9:.1f} GB/s, one thread), loaded and "
                  f"ready in {seconds:.2f} s ({size / seconds / 1e9:.1f} GB/s) with {processor:.2f} s of processor time, peak memory {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
