#!/usr/bin/env python3
"""Runs the benchmark scenarios: Quire and its peers turn by turn on this machine, results as JSON.

    bench/setup_peers.sh DIR                    # once: llama.cpp, in DIR
    bench/suite.py --peers DIR --results DIR    # everything
    bench/suite.py --scenarios S1,S3 --formats int4 --rounds 5 --results DIR
    bench/report.py DIR docs/performance.md     # tables and charts

Needs build/quire, build/bench_probe and build/kernel_bench, and a machine with nothing else to do.
Random checkpoints are made on first use (tools/make_checkpoint.py, by a Python that has numpy:
--python). The scenarios are described in bench/suite_scenarios.py.
"""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys

import suite_measure
from suite_engines import FORMATS
from suite_scenarios import SCENARIOS

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNEL_SECONDS = 7200
LLAMA_QUANTS = {"q8_0": "Q8_0", "q4_0": "Q4_0"}


@dataclasses.dataclass
class Setup:
    """What the engines need to know to be started."""
    quire: str
    root: pathlib.Path  # of the peers' chroot
    openvino: pathlib.Path  # its Python, which may not be there
    models: pathlib.Path
    logs: pathlib.Path
    shape: str
    threads: int
    python: str
    quire_flags: list
    peers: bool
    children: suite_measure.Children

    def with_shape(self, shape):
        return dataclasses.replace(self, shape=shape)

    def config(self):
        return json.loads((self.models / f"{self.shape}-bf16" / "config.json").read_text())

    def ensure(self, formats):
        """Makes the checkpoints and the peers' files of this shape that are not there yet."""
        for name in sorted({"bf16"} | {FORMATS[f].checkpoint for f in formats}):
            folder = self.models / f"{self.shape}-{name}"
            if not (folder / "config.json").exists():
                bits = ["--bits", name.removeprefix("int")] if name != "bf16" else []
                run([self.python, str(ROOT / "tools/make_checkpoint.py"), "--shape", self.shape,
                     *bits, "--out", str(folder)])
        if self.peers and self.shape not in NO_PEER_SHAPES:
            for weight_format in formats:
                self.ensure_gguf(FORMATS[weight_format].gguf)

    def ensure_gguf(self, quant):
        folder = self.root / "models"
        base = f"{self.shape}-bf16.gguf"
        if not (folder / base).exists():
            folder.mkdir(exist_ok=True)
            run([sys.executable, str(ROOT / "bench/gguf.py"),
                 str(self.models / f"{self.shape}-bf16"), str(folder / f"{base}.part")])
            (folder / f"{base}.part").rename(folder / base)
        target = f"{self.shape}-{quant}.gguf"
        if not (folder / target).exists():
            run(["chroot", str(self.root), "llama-quantize", f"/models/{base}",
                 f"/models/{target}.part", LLAMA_QUANTS[quant], str(self.threads)])
            (folder / f"{target}.part").rename(folder / target)


NO_PEER_SHAPES = {"hybrid"}  # bench/gguf.py knows no layout for them


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"suite.py: {' '.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout + done.stderr).strip().split("\n")), "")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = pathlib.Path.home() / ".cache"
    parser.add_argument("--quire", default=str(ROOT / "build/quire"))
    parser.add_argument("--probe", default=str(ROOT / "build/bench_probe"))
    parser.add_argument("--peers", type=pathlib.Path, default=cache / "quire-peers",
                        help="folder of bench/setup_peers.sh")
    parser.add_argument("--models", type=pathlib.Path, default=cache / "quire-models",
                        help="folder for random checkpoints")
    parser.add_argument("--results", type=pathlib.Path, required=True, help="folder for the JSON")
    parser.add_argument("--scenarios", default=",".join([*SCENARIOS, "K"]))
    parser.add_argument("--formats", default="int4,int8,bf16",
                        help="weight formats; the first one is used where one is enough")
    parser.add_argument("--shape", default="qwen3-0.6b", help="of tools/make_checkpoint.py")
    parser.add_argument("--rounds", type=int, default=3, help="undisturbed turns of each case")
    parser.add_argument("--tries", type=int, default=0,
                        help="turns at most, for lack of undisturbed ones [rounds + 2]")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="the cases of the targets only")
    parser.add_argument("--no-peers", action="store_true", help="Quire alone")
    parser.add_argument("--python", default=sys.executable, help="a Python with numpy")
    parser.add_argument("--quire-flag", action="append", default=[],
                        help="flag of every Quire run, as --quire-flag=--isa=avx2")
    options = parser.parse_args()
    options.tries = max(options.tries or options.rounds + 2, options.rounds)
    options.formats = options.formats.split(",")
    for name in options.formats:
        if name not in FORMATS:
            parser.error(f"--formats: {name} is not one of {', '.join(FORMATS)}")
    options.scenarios = options.scenarios.split(",")
    for name in options.scenarios:
        if name not in SCENARIOS and name != "K":
            parser.error(f"--scenarios: {name} is not one of {', '.join(SCENARIOS)}, K")
    return options


def run_scenario(name, options, setup):
    scenario = SCENARIOS[name]
    setup = setup.with_shape(scenario.shape or options.shape)
    begin = datetime.datetime.now(datetime.timezone.utc)
    print(f"{name}: {scenario.title}", flush=True)
    setup.ensure(options.formats)
    record = {**describe(name, scenario.title, options, setup, begin), "shape": setup.shape,
              "config": setup.config(), "cases": [], "turns": []}
    path = options.results / f"{name}.json"

    def save():
        record["seconds"] = (datetime.datetime.now(datetime.timezone.utc) - begin).total_seconds()
        part = path.with_suffix(".part")
        part.write_text(json.dumps(record, indent=1))
        part.rename(path)

    bench = suite_measure.Bench(options, setup.children)
    try:
        scenario.run(setup, options, lambda case: bench.run_case(case, record, save))
    finally:
        setup.children.stop_all()
        save()
    print(f"{name}: {record['seconds']:.0f} s, {path}", flush=True)


def end_on_signal(number, _frame):
    sys.exit(128 + number)  # runs the finally clauses, which stop what was started


def run_kernels(options, setup):
    """K1 to K3: products, attention and parallel regions, each program once."""
    begin = datetime.datetime.now(datetime.timezone.utc)
    print("K: products, attention and parallel regions", flush=True)
    program = str(pathlib.Path(options.probe).with_name("kernel_bench"))
    words = [program, "--json", "--threads", ",".join(dict.fromkeys(["1", str(options.threads)]))]
    out = setup.children.output(words + ["--short"] * options.quick, KERNEL_SECONDS)
    words = [str(pathlib.Path(options.probe).with_name("attention_bench")), "json"]
    out += setup.children.output(words + ["short"] * options.quick, KERNEL_SECONDS)
    record = describe("K", "Products, attention and parallel regions", options, setup, begin)
    record["kernels"] = [json.loads(line) for line in out.splitlines()]
    record["seconds"] = (datetime.datetime.now(datetime.timezone.utc) - begin).total_seconds()
    (options.results / "K.json").write_text(json.dumps(record, indent=1))
    print(f"K: {record['seconds']:.0f} s", flush=True)


def describe(name, title, options, setup, begin):
    """What every result file begins with."""
    return {
        "scenario": name, "title": title, "started": begin.isoformat(timespec="seconds"),
        "machine": suite_measure.machine(), "threads": options.threads,
        "quire_flags": options.quire_flag,
        "commit": first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        "peer": "" if options.no_peers else first_line(
            ["chroot", str(setup.root), "llama-server", "--version"])}


def main():
    signal.signal(signal.SIGTERM, end_on_signal)
    options = parse_arguments()
    options.results.mkdir(parents=True, exist_ok=True)
    options.models.mkdir(parents=True, exist_ok=True)
    logs = options.results / "logs"
    logs.mkdir(exist_ok=True)
    for program in (options.quire, options.probe):
        if not os.access(program, os.X_OK):
            sys.exit(f"suite.py: {program} is not there: ninja -C build quire bench_probe kernel_bench attention_bench")
    root = options.peers / "sid"
    if not options.no_peers and not (root / "usr/bin/llama-batched-bench").exists():
        sys.exit(f"suite.py: no llama.cpp in {root}: bench/setup_peers.sh {options.peers}, "
                 "or --no-peers")
    setup = Setup(
        quire=options.quire, root=root, openvino=options.peers / "openvino/bin/python",
        models=options.models, logs=logs, shape=options.shape, threads=options.threads,
        python=options.python, quire_flags=options.quire_flag, peers=not options.no_peers,
        children=suite_measure.Children())
    for name in options.scenarios:
        if name == "K":
            run_kernels(options, setup)
        else:
            run_scenario(name, options, setup)


if __name__ == "__main__":
    main()
