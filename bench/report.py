#!/usr/bin/env python3
"""Makes the page of performance numbers, tables and SVG charts, from the JSON of bench/suite.py.

    bench/report.py RESULTS docs/performance.md      # charts go to docs/performance/
"""
import html
import json
import pathlib
import re
import sys

from suite_floor import decode_floor, peaks, prefill_floor
from suite_measure import FOREIGN_SHARE_MAX, STEAL_SHARE_MAX, Metric, median

ORDER = ["K", "P1", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S10", "S11", "M1"]
FLOORS = {"decode": decode_floor, "prefill": prefill_floor}
CHARTS = {"P1": "decode", "S1": "decode", "S2": "decode", "S3": "out", "S4": "goodput", "S5": "out",
          "S6": "itl_max", "S7": "decode", "S8": "decode", "S10": "decode", "S11": "decode",
          "M1": "loaded_mb"}
LABELS = {"decode": "decode", "prefill": "prefill", "out": "output", "req": "requests",
          "ttft_p50": "TTFT p50", "ttft_p99": "TTFT p99", "itl_p50": "ITL p50",
          "itl_p99": "ITL p99", "itl_max": "ITL max", "long_ttft": "TTFT of the long prompt",
          "goodput": "goodput", "attained": "within goals", "load_s": "load",
          "loaded_mb": "resident", "kv_token_bytes": "KV of a token",
          "accepted_per_step": "drafts accepted a step"}

HOW = """# Performance

Made by `bench/report.py` from the JSON of `bench/suite.py`; do not edit by hand. To repeat it:

```
cmake --preset release && ninja -C build quire bench_probe kernel_bench attention_bench quire_free_order
bench/setup_peers.sh PEERS                       # once, as root: llama.cpp of Debian sid in a chroot
bench/suite.py --peers PEERS --results RESULTS --rounds 5
bench/report.py RESULTS docs/performance.md
```

**Method.** All engines run the same random weights (`tools/make_checkpoint.py`) with the same prompts, greedy, not stopping at the end
token, on the same processors. A turn runs all engines once, in an order that rotates from turn to turn. Before and after each engine
a probe measures read bandwidth, the distance of the cores and the peak of each instruction, since virtual machines drift by a
factor of two. A turn counts when other processes took at most {foreign:.0f} % of a processor and the hypervisor at most {steal:.0f} %; where no turn
was so quiet all count and the table says "disturbed". Numbers are medians over turns with least and greatest in brackets; a
ratio is taken within each turn, turned so that above 1 the first engine is better. *Of floor* is the share of what bandwidth (the
greater of the two probes around the run) or instruction peak (best seen) allow for the bytes and operations that the shape cannot avoid.

llama.cpp's formats: int4 is its Q4_0 (token embedding and head in Q6_K), int8 Q8_0, KV bf16 its f16, KV int8 its q8_0. Quire's int4 is MLX affine
with groups of 64. In S1 and S2 Quire's decode rate is taken while all sequences decode, as `llama-batched-bench` does.
In P1 the programs are loaded at once and take short rounds in turn, forth and back; a turn is one such start, its ratio the median over
neighbouring rounds, and the ratio of the product to its second copy says how far chance alone goes.
Random weights say nothing about quality, routing of experts or acceptance of drafts.

[performance-limits.md](performance-limits.md) explains the numbers: what was aimed at, profiles, what exactness and precision cost.
"""


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 10000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values, form=number):
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    middle = form(median(values))
    if len(values) == 1 or form(min(values)) == form(max(values)):
        return middle
    return f"{middle} [{form(min(values))}..{form(max(values))}]"


def ratio_text(value):
    return f"{value:.2f}"


def turn_ratio(turn, metric, first, second):
    paired = turn.get("ratios", {}).get(f"{first} / {second}")
    if paired:
        return paired[metric.key]
    return metric.ratio(turn["results"].get(first, {}).get(metric.key),
                        turn["results"].get(second, {}).get(metric.key))


class Scenario:
    """One JSON file, with its turns by case."""

    def __init__(self, data, best):
        self.data, self.best = data, best

    def turns(self, case):
        """The turns that count, and whether they were quiet."""
        turns = [t for t in self.data["turns"] if t["case"] == case["name"]]
        clean = [t for t in turns if t["clean"]]
        return (clean, True) if clean else (turns, False)

    def values(self, turns, engine, key):
        return [t["results"].get(engine, {}).get(key) for t in turns]

    def floor_shares(self, case, engine, turns, key):
        """Measured over floor for each turn, or nothing where the metric has no floor."""
        if key not in FLOORS or "sequences" not in case["facts"]:
            return []
        sets = self.data["machine"]["instruction_sets"]
        isa = "avx512" if {"avx512_vnni", "avx512_bf16"} <= set(sets) else "avx2"
        facts = {**case["facts"], "format": engine["format"], "kv": engine["kv"]}
        peak = peaks(self.best, isa, engine["format"])
        shares = []
        for turn in turns:
            value = turn["results"].get(engine["name"], {}).get(key)
            if value is None or "read_gb_s" not in turn["results"][engine["name"]]:
                continue
            bandwidth = 1e9 * turn["results"][engine["name"]]["read_gb_s"]
            floor = FLOORS[key](self.data["config"], facts, bandwidth, peak)
            shares.append(value / floor["tokens_per_second"])
        return shares

    def table(self):
        keys = []
        for case in self.data["cases"]:
            keys += [m["key"] for m in case["metrics"] if m["key"] not in keys]
        units = {m["key"]: m["unit"] for case in self.data["cases"] for m in case["metrics"]}
        head = [f"{LABELS.get(k, k)}, {units[k]}" for k in keys]
        lines = ["| work | engine | " + " | ".join(head) + " | turns |",
                 "|---|---|" + "---|" * (len(keys) + 1)]
        for case in self.data["cases"]:
            turns, quiet = self.turns(case)
            for engine in case["engines"]:
                cells = [self.cell(case, engine, turns, key) for key in keys]
                errors = [t["results"].get(engine["name"], {}).get("error") for t in turns]
                failed = next((e for e in errors if e), None)
                note = f"{len(turns)}{'' if quiet else ' disturbed'}"
                if failed:
                    note = "failed: " + failed[:80].replace("|", "/")
                lines.append(f"| {case['name']} | {engine['name']} | " + " | ".join(cells)
                             + f" | {note} |")
        return "\n".join(lines)

    def cell(self, case, engine, turns, key):
        text = spread(self.values(turns, engine["name"], key))
        shares = self.floor_shares(case, engine, turns, key)
        return f"{text} ({100 * median(shares):.0f} % of floor)" if shares else text

    def ratios(self):
        lines = []
        for case in self.data["cases"]:
            turns, _ = self.turns(case)
            for first, second in case["pairs"]:
                parts = []
                for data in case["metrics"]:
                    metric = Metric(**data)
                    values = [turn_ratio(turn, metric, first, second) for turn in turns]
                    text = spread(values, ratio_text)
                    if text != "-":
                        parts.append(f"{LABELS.get(metric.key, metric.key)} **{text}**")
                if parts:
                    lines.append(f"- {case['name']}: {first} to {second}: " + ", ".join(parts))
        return "\n".join(lines)

    def chart(self, key):
        rows = []
        for case in self.data["cases"]:
            turns, _ = self.turns(case)
            for engine in case["engines"]:
                values = [v for v in self.values(turns, engine["name"], key) if v is not None]
                if values:
                    rows.append((case["name"], engine["name"], median(values), min(values),
                                 max(values)))
        unit = next((m["unit"] for case in self.data["cases"] for m in case["metrics"]
                     if m["key"] == key), "")
        return svg_bars(f"{self.data['title']}: {LABELS.get(key, key)}, {unit}", rows)


COLOURS = ["#1f6feb", "#d29922", "#2da44e", "#cf222e", "#8250df", "#57606a", "#0a7d91", "#bf8700"]
LEFT, WIDTH, BAR, GAP, TOP = 330, 900, 16, 12, 48


def svg_bars(title, rows):
    """Horizontal bars with value and whisker from least to greatest, a group for each case."""
    if not rows:
        return ""
    engines = list(dict.fromkeys(row[1] for row in rows))
    longest = max(row[4] for row in rows) or 1
    scale = (WIDTH - LEFT - 110) / longest
    parts, y, last = [], TOP, None
    for case, engine, value, low, high in rows:
        if case != last:
            y += GAP if last is not None else 0
            parts.append(f'<text x="8" y="{y + 12}" font-weight="bold">{html.escape(case)}</text>')
            last = case
        colour = COLOURS[engines.index(engine) % len(COLOURS)]
        middle = y + (BAR - 2) / 2
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{html.escape(engine)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{value * scale:.1f}" height="{BAR - 2}" '
            f'fill="{colour}"/>'
            f'<path d="M{LEFT + low * scale:.1f} {middle}H{LEFT + high * scale:.1f}" '
            'stroke="#24292f"/>'
            f'<text x="{LEFT + high * scale + 6:.1f}" y="{y + 12}">{number(value)}</text>')
        y += BAR
    height = y + 16
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" '
            'fill="#24292f">'
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
            f'<text x="8" y="24" font-size="15">{html.escape(title)}</text>'
            + "".join(parts) + "</svg>\n")


def product_table(lines):
    """A row for each format and shape; GOP/s and the share of the nearer of peak and read bandwidth."""
    rows = sorted({line["rows"] for line in lines})
    cells = {}
    for line in lines:
        key = (line["isa"], line["format"], line["threads"], f"{line['k']} x {line['n']}")
        share = max(line["of_peak"], line["of_read"])
        cells.setdefault(key, {})[line["rows"]] = f"{number(line['gop_s'])} ({100 * share:.0f} %)"
    out = ["| instruction set | format | threads | K x N | "
           + " | ".join(f"{r} rows" for r in rows) + " |", "|---|---|---|---|" + "---|" * len(rows)]
    for key, cell in cells.items():
        out.append("| " + " | ".join(map(str, key)) + " | "
                   + " | ".join(cell.get(r, "-") for r in rows) + " |")
    return "\n".join(out)


def attention_table(lines):
    """A row for each format, sharing of heads and batch; a column for each context."""
    def share(line):
        return line["gb_s"] / line["read_gb_s"] if line["work"] == "decode" else (
            line["gflop_s"] / line["peak_gflop_s"])
    columns = list(dict.fromkeys((line["work"], line["context"]) for line in lines))
    rows = {}
    for line in lines:
        key = (line["isa"], line["kv"], line["group"], line["sequences"])
        value = line["gb_s"] if line["work"] == "decode" else line["gflop_s"]
        rows.setdefault(key, {})[line["work"], line["context"]] = (
            f"{number(value)} ({100 * share(line):.0f} %)")
    out = ["| instruction set | KV | query heads a kv head | sequences | "
           + " | ".join(f"{work} {context}" for work, context in columns) + " |",
           "|---|---|---|---|" + "---|" * len(columns)]
    out += ["| " + " | ".join(map(str, key)) + " | "
            + " | ".join(cells.get(column, "-") for column in columns) + " |"
            for key, cells in rows.items()]
    return "\n".join(out)


def kernel_section(record):
    products = [line for line in record["kernels"] if line["kernel"] == "product"]
    regions = [line for line in record["kernels"] if line["kernel"] == "region"]
    attention = [line for line in record["kernels"] if line["kernel"] == "attention"]
    parts = [f"## K1 to K3: {record['title']}\n\n{record['started'][:16]} UTC, "
             f"{record['seconds']:.0f} s. Best of several runs, weights taken in turn from 256 MB."
             "\n\nGOP/s, and in brackets the share of the instruction's peak or of the read "
             "bandwidth of the same run, whichever is nearer:\n", product_table(products)]
    if attention:
        parts += ["\nAttention (K2), 8 kv heads of 128, one thread: decode in GB/s of keys and "
                  "values, prefill of 512 tokens in GFLOP/s, and in brackets the share of the read "
                  "bandwidth or instruction peak of one thread:\n", attention_table(attention)]
    parts.append("\nA parallel region, beyond the work in it:\n\n| threads | work, us | best, us | "
                 "median, us |\n|---|---|---|---|")
    parts += [f"| {r['threads']} | {r['work_us']} | {r['overhead_us']:.2f} | "
              f"{r['overhead_us_median']:.2f} |" for r in regions]
    return "\n".join(parts) + "\n"


def best_peaks(records):
    best = {}
    for record in records:
        for turn in record.get("turns", []):
            for probe in turn["probes"]:
                for name, value in probe["peak_gop_s"].items():
                    best[name] = max(best.get(name, 0), value)
    return best


def machine_section(records, best):
    machine = records[0]["machine"]
    probes = [p for r in records for t in r.get("turns", []) for p in t["probes"]]
    rates = [p["read_gb_s"] for p in probes]
    distance = [p["ping_pong_ns"] for p in probes]
    threads = records[0]["threads"]
    peer = next((r["peer"] for r in records if r["peer"]), "none")
    commits = ", ".join(dict.fromkeys(r["commit"] for r in records))
    return "\n".join([
        "## Machine", "",
        f"- {machine['cpu']} (family {machine['family']}, model {machine['model']}), "
        f"{machine['processors']} processors, {machine['memory_gib']} GiB, Linux "
        f"{machine['kernel']}, huge pages {machine['huge_pages']}",
        f"- instruction sets: {', '.join(machine['instruction_sets'])}",
        f"- {threads} threads; read bandwidth of all of them {spread(rates)} GB/s, a cache line "
        f"there and back {spread(distance)} ns",
        "- peaks, 1e9 operations a second: "
        + ", ".join(f"{name} {number(value)}" for name, value in sorted(best.items())),
        f"- Quire {commits}; llama.cpp {peer}",
        "- Not compared: ik_llama.cpp (in no package registry); "
        "any other server by URL with `quire bench serve`.", ""])


def how():
    return HOW.format(foreign=100 * FOREIGN_SHARE_MAX, steal=100 * STEAL_SHARE_MAX)


def write_page(results, page):
    records = [json.loads(path.read_text()) for path in results.glob("*.json")]
    records = [r for r in records if r.get("turns") or r.get("kernels")]
    if not records:
        page.write_text(how() + "\nNo run is recorded here.\n")
        return
    records.sort(key=lambda r: ORDER.index(r["scenario"]))
    best = best_peaks(records)
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [how(), machine_section(records, best)]
    for record in records:
        if "kernels" in record:
            parts.append(kernel_section(record))
            continue
        scenario, name = Scenario(record, best), record["scenario"]
        parts.append(f"## {name}: {record['title']}\n\nShape {record['shape']}, "
                     f"{record['started'][:16]} UTC, {record['seconds']:.0f} s.\n")
        chart = scenario.chart(CHARTS[name])
        if chart:
            (folder / f"{name}.svg").write_text(chart)
            parts.append(f"![{record['title']}]({folder.name}/{name}.svg)\n")
        parts.append(scenario.table() + "\n")
        ratios = scenario.ratios()
        if ratios:
            parts.append("Ratios within turns (above 1: the first is better):\n\n" + ratios + "\n")
    page.write_text(re.sub(r"\n{3,}", "\n\n", "\n".join(parts)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_page(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
