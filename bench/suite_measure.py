"""Measuring side by side: turns of all engines in rotated order, with what the machine gave and who else used it."""
import dataclasses
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
FOREIGN_SHARE_MAX = 0.03  # of one processor
STEAL_SHARE_MAX = 0.01
PROBE_SECONDS = 600


def machine_seconds():
    """Seconds that all processors were busy, and that the hypervisor took, since boot."""
    fields = [int(v) for v in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    user, nice, system, _idle, _wait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def process_seconds(pid):
    """Processor seconds of a live process and of its ended children."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(v) for v in fields[11:15]) / TICKS


class Children:
    """The processes that the suite started; what they used is not foreign."""

    def __init__(self):
        self.live = set()

    def start(self, command, **options):
        process = subprocess.Popen(command, **options)
        self.live.add(process)
        return process

    def stop(self, process, seconds=20):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        self.live.discard(process)

    def stop_all(self):
        for process in list(self.live):
            self.stop(process)

    def output(self, command, seconds):
        """Standard output of a command that must succeed within the time."""
        process = self.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{command[0]}: no answer in {seconds} s") from None
        finally:
            self.stop(process)
        if process.returncode != 0:
            raise RuntimeError(f"status {process.returncode}: {' '.join((err or out).split())[-400:]}")
        return out

    def own_seconds(self):
        total = sum(process_seconds(process.pid) for process in self.live)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            total += usage.ru_utime + usage.ru_stime
        return total


class Usage:
    """The shares of one processor that others, and the hypervisor, took over a span."""

    def __init__(self, children):
        self.children = children
        self.begin = self.now()

    def now(self):
        return (time.monotonic(), *machine_seconds(), self.children.own_seconds())

    def shares(self):
        wall, busy, steal, own = (b - a for a, b in zip(self.begin, self.now()))
        return {"seconds": round(wall, 3), "foreign_share": round(max(0, busy - own) / wall, 4),
                "steal_share": round(steal / wall, 4)}


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number that a turn brings; ratios are turned so that above 1 the first engine is better."""
    key: str
    unit: str
    higher_is_better: bool = True

    def ratio(self, first, second):
        if not first or not second:
            return None
        return first / second if self.higher_is_better else second / first


@dataclasses.dataclass
class Case:
    """One shape of work. run(engine) gives the metrics of one engine by key; with `together`,
    run(engines) gives for each engine by name the metrics of many short rounds, taken in turn."""
    name: str
    engines: list
    run: object
    metrics: list
    pairs: list  # (engine name, engine name): ratios to report
    facts: dict = dataclasses.field(default_factory=dict)  # the shape, for the floors
    together: bool = False


class Bench:
    """Runs cases turn by turn and writes each turn down at once."""

    def __init__(self, options, children):
        self.options = options
        self.children = children

    def probe(self):
        out = self.children.output([self.options.probe, str(self.options.threads)], PROBE_SECONDS)
        return json.loads(out)

    def turn(self, case, number):
        shift = number % len(case.engines)
        order = case.engines[shift:] + case.engines[:shift]
        measure = self.together if case.together else self.one_by_one
        turn = {"case": case.name, "turn": number, "order": [e.name for e in order],
                **measure(case, order)}
        turn["clean"] = all(u["foreign_share"] <= FOREIGN_SHARE_MAX
                            and u["steal_share"] <= STEAL_SHARE_MAX
                            for u in turn["usage"].values())
        return turn

    def one_by_one(self, case, order):
        """Each engine between two probes: what the machine gives may change from one to the next."""
        probes, results, usages = [self.probe()], {}, {}
        for engine in order:
            usage = Usage(self.children)
            try:
                results[engine.name] = case.run(engine)
            except (RuntimeError, OSError, ValueError, KeyError) as error:
                results[engine.name] = {"error": str(error)}
            usages[engine.name] = usage.shares()
            probes.append(self.probe())
            results[engine.name]["read_gb_s"] = max(p["read_gb_s"] for p in probes[-2:])
        return {"usage": usages, "probes": probes, "results": results}

    def together(self, case, order):
        """All engines loaded at once, round after round; ratios of neighbouring rounds."""
        before, usage = self.probe(), Usage(self.children)
        try:
            rounds = case.run(order)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            rounds = {}
            results = {engine.name: {"error": str(error)} for engine in order}
        usages = {"all": usage.shares()}
        if rounds:
            results = {name: medians(of_engine) for name, of_engine in rounds.items()}
        ratios = {f"{first} / {second}": {
            m.key: median([m.ratio(a[m.key], b[m.key])
                           for a, b in zip(rounds[first], rounds[second])])
            for m in case.metrics} for first, second in case.pairs if rounds}
        return {"usage": usages, "probes": [before, self.probe()], "results": results,
                "rounds": rounds, "ratios": ratios}

    def run_case(self, case, record, save):
        """At least `rounds` turns; more, up to `tries`, while too few were undisturbed."""
        record["cases"].append({
            "name": case.name, "facts": case.facts, "pairs": case.pairs,
            "metrics": [dataclasses.asdict(m) for m in case.metrics],
            "engines": [e.describe() for e in case.engines]})
        clean = 0
        for number in range(self.options.tries):
            turn = self.turn(case, number)
            record["turns"].append(turn)
            save()
            clean += turn["clean"]
            print("  " + summary(case, turn), flush=True)
            if all("error" in r for r in turn["results"].values()):
                break
            if number + 1 >= self.options.rounds and clean >= self.options.rounds:
                break


def summary(case, turn):
    parts = []
    for name, result in turn["results"].items():
        if "error" in result:
            parts.append(f"{name}: {result['error'][:160]}")
            continue
        values = (f"{m.key} {result[m.key]:.4g}" for m in case.metrics if m.key in result)
        parts.append(f"{name}: {', '.join(values)}")
    others = max(u["foreign_share"] for u in turn["usage"].values())
    ratios = [f"{pair}: " + ", ".join(f"{key} {value:.3f}" for key, value in of_pair.items())
              for pair, of_pair in turn.get("ratios", {}).items()]
    return (f"{case.name} #{turn['turn']} [others {100 * others:.0f} %, "
            f"{turn['probes'][0]['read_gb_s']:.0f} GB/s] " + " | ".join(parts + ratios))


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()

    def first(key):
        return next((line.split(":", 1)[1].strip() for line in text.split("\n")
                     if line.startswith(key)), "")
    wanted = ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
              "avx_vnni", "amx_int8", "amx_bf16"]
    flags = set(first("flags").split())
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    huge = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return {"cpu": first("model name"), "family": first("cpu family"), "model": first("model\t"),
            "processors": os.cpu_count(), "instruction_sets": [w for w in wanted if w in flags],
            "memory_gib": round(int(memory) / 2**20, 1), "kernel": platform.release(),
            "huge_pages": huge.read_text().strip() if huge.exists() else "none"}


def medians(rounds):
    """Of each number over the rounds."""
    return {key: median([r[key] for r in rounds]) for key in rounds[0]}


def median(values):
    return statistics.median(values) if values else None
