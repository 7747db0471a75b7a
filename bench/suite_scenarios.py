"""The scenarios: which shapes of work, with which engines, and what counts."""
import contextlib
import dataclasses
import subprocess
import sys
import time

from suite_engines import RUN_SECONDS, FreeOrder, Llama, Load, OpenVino, Quire
from suite_measure import Case, Metric

PREFILL = Metric("prefill", "tok/s")
DECODE = Metric("decode", "tok/s")
OUT = Metric("out", "tok/s")
REQUESTS = Metric("req", "1/s")
TTFT_P50 = Metric("ttft_p50", "ms", False)
TTFT_P99 = Metric("ttft_p99", "ms", False)
ITL_P50 = Metric("itl_p50", "ms", False)
ITL_P99 = Metric("itl_p99", "ms", False)
ITL_MAX = Metric("itl_max", "ms", False)
OFFLINE_PEERS = (Llama, OpenVino)
SERVER = [OUT, REQUESTS, TTFT_P50, TTFT_P99, ITL_P50, ITL_P99, ITL_MAX]
GAP_WORK = dict(requests=8, concurrency=8, input_tokens=32, output_tokens=320)


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    run: object  # (setup, options, run_case)
    shape: str = ""  # the run's own when empty


def contestants(setup, options, formats=None, peers=(Llama,), **facts):
    """Quire and its peers in each format, and the pairs to compare."""
    engines, pairs = [], []
    for name in formats or options.formats:
        own = Quire(setup, name, **facts)
        others = [peer(setup, name, **facts) for peer in peers
                  if setup.peers and peer.knows(setup, name)]
        engines += [own, *others]
        pairs += [(own.name, other.name) for other in others]
    return engines, pairs


def latency_case(engines, pairs, sequences, lengths, extra=()):
    input_tokens, output_tokens = lengths
    return Case(
        f"{sequences} x {input_tokens} / {output_tokens}", engines,
        lambda engine: with_hog(engine, lambda: engine.latency(sequences, input_tokens,
                                                               output_tokens, extra)),
        [DECODE, PREFILL], pairs,
        {"sequences": sequences, "input": input_tokens, "output": output_tokens,
         "context": input_tokens + output_tokens / 2})


def with_hog(engine, work):
    """The work while, if the engine is so marked, another process burns one processor."""
    if not engine.hog:
        return work()
    hog = engine.setup.children.start([sys.executable, "-c", "while True: pass"])
    try:
        return work()
    finally:
        engine.setup.children.stop(hog)


@contextlib.contextmanager
def servers(engines, slots, tokens):
    """All servers up at once; idle ones burn nothing. Gives name -> URL; one that fails to start has none."""
    urls = {}
    try:
        for engine in engines:
            try:
                urls[engine.name] = engine.start_server(slots, tokens)
            except RuntimeError as error:
                print(f"  {engine.name}: {error}", flush=True)
        yield urls
    finally:
        for engine in engines:
            engine.stop()


def url_of(urls, engine):
    if engine.name not in urls:
        raise RuntimeError("the server did not start")
    return urls[engine.name]


def load_case(name, engines, pairs, setup, urls, flags):
    """A load test; every turn has prompts of its own, so that no cache holds them from the last."""
    turns = dict.fromkeys((engine.name for engine in engines), 0)

    def run(engine):
        turns[engine.name] += 1
        # Request i of a run takes seed + i: far enough apart, no two turns share a prompt.
        seed = 1_000_000 * flags.get("concurrency", 1) + 1000 * turns[engine.name]
        return Load(setup).run(url_of(urls, engine), seed=seed, **flags)
    return Case(name, engines, run, SERVER, pairs, {"load": flags})


def s1_single(setup, options, run_case):
    engines, pairs = contestants(setup, options, peers=OFFLINE_PEERS)
    run_case(latency_case(engines, pairs, 1, (512, 128)))
    if setup.peers:
        name = options.formats[0]
        quire, llama = Quire(setup, name), Llama(setup, name)
        run_case(Case("512 in; 128 out from empty", [quire, llama], lambda e: e.bare(512, 128),
                      [DECODE, PREFILL], [(quire.name, llama.name)],
                      {"sequences": 1, "input": 512, "output": 128, "context": 64}))
    if not options.quick:
        run_case(latency_case(*contestants(setup, options, options.formats[:1]), 1, (3500, 64)))


def s2_batched(setup, options, run_case):
    first = options.formats[:1]
    for sequences in (16, 32) if options.quick else (1, 4, 8, 16, 32):
        formats = first if options.quick else options.formats
        both = contestants(setup, options, formats, OFFLINE_PEERS)
        run_case(latency_case(*both, sequences, (128, 64)))
    for sequences in () if options.quick else (1, 4, 8, 16):
        both = contestants(setup, options, first, OFFLINE_PEERS)
        run_case(latency_case(*both, sequences, (1024, 32)))
    both = contestants(setup, options, first, OFFLINE_PEERS, kv="int8")
    case = latency_case(*both, 16, (1024, 32))
    run_case(dataclasses.replace(case, name=f"{case.name}, KV int8"))


def s3_closed(setup, options, run_case):
    engines, pairs = contestants(setup, options, options.formats[:1])
    shapes = [(n, lengths) for lengths in ((128, 64), (512, 64), (1024, 128)) for n in (1, 4, 16)]
    if options.quick:
        shapes = [(16, (512, 64))]
    with servers(engines, 16, 1280) as urls:
        for streams, (input_tokens, output_tokens) in shapes:
            flags = dict(concurrency=streams, requests=2 * streams, input_tokens=input_tokens,
                         output_tokens=output_tokens)
            name = f"{streams} streams, {input_tokens} / {output_tokens}"
            run_case(load_case(name, engines, pairs, setup, urls, flags))


def s4_open(setup, options, run_case):
    """Rates are shares of each engine's own capacity, measured first with the same lengths."""
    engines, pairs = contestants(setup, options, options.formats[:1])
    lengths = dict(input_tokens=384, output_tokens=96, length_sigma=0.5)
    count = 12 if options.quick else 32
    with servers(engines, 16, 4096) as urls:
        capacity = {}
        for engine in engines:
            load = Load(setup).run(url_of(urls, engine), concurrency=16, requests=count, seed=7,
                                   **lengths)
            capacity[engine.name] = load["req"]
        metrics = [Metric("goodput", "1/s"), Metric("attained", "share"), REQUESTS, TTFT_P50,
                   TTFT_P99, ITL_P99, ITL_MAX]
        for share in ((0.5, 1.0) if options.quick else (0.25, 0.5, 0.75, 1.0, 1.25)):
            run_case(Case(
                f"{share:.2f} of capacity", engines,
                lambda e, share=share: {"capacity": capacity[e.name], **Load(setup).run(
                    url_of(urls, e), rate=share * capacity[e.name], requests=count,
                    seed=int(100 * share), **lengths)},
                metrics, pairs, {"capacity": capacity, "share": share}))


def s5_shared(setup, options, run_case):
    engines, pairs = contestants(setup, options, options.formats[:1])
    with servers(engines, 16, 1280) as urls:
        for input_tokens, shared in [(512, 448)] + [(1024, 896)] * (not options.quick):
            flags = dict(concurrency=16, requests=48, input_tokens=input_tokens, output_tokens=64,
                         shared_prefix_tokens=shared)
            run_case(load_case(f"16 streams, {input_tokens} / 64, {shared} shared", engines, pairs,
                               setup, urls, flags))


def s6_long(setup, options, run_case):
    """Eight streams decode; two seconds later one long prompt arrives."""
    engines, pairs = contestants(setup, options, options.formats[:1])
    with servers(engines, 9, 4608) as urls:
        load, turns = Load(setup), {}

        def run(engine):
            url = url_of(urls, engine)
            turns[engine.name] = turns.get(engine.name, 0) + 1
            crowd = setup.children.start(
                load.command(url, seed=turns[engine.name], **GAP_WORK),
                stdout=subprocess.PIPE, text=True)
            try:
                time.sleep(2)
                single = load.run(url, concurrency=1, requests=1, input_tokens=4096,
                                  output_tokens=8, seed=100 + turns[engine.name])
                out, _ = crowd.communicate(timeout=RUN_SECONDS)
            finally:
                setup.children.stop(crowd)
            return {**load.metrics(out), "long_ttft": single["ttft_p50"]}
        run_case(Case("8 streams, then a prompt of 4096", engines, run,
                      [ITL_MAX, ITL_P99, ITL_P50, Metric("long_ttft", "ms", False), OUT], pairs))


def s7_kv(setup, options, run_case):
    name = options.formats[0]
    pairs = [(f"quire {name} kv-int8", f"quire {name}")]
    engines = [Quire(setup, name), Quire(setup, name, kv="int8")]
    shapes = [(8, (1024, 32))] if options.quick else [(8, (1024, 32)), (16, (2048, 32))]
    for sequences, lengths in shapes:
        run_case(latency_case(engines, pairs, sequences, lengths, ["--warmup-rounds", "0"]))


def s8_speculation(setup, options, run_case):
    """Prompts and, for these random weights, answers that repeat: the most that drafts can bring."""
    name = options.formats[0]
    engines = [Quire(setup, name, flags=["--speculation", "ngram"], tag="ngram"),
               Quire(setup, name)]
    for sequences in (1, 4, 8):
        case = latency_case(engines, [(engines[0].name, engines[1].name)], sequences, (256, 128),
                            ["--repeat-tokens", "32"])
        case.metrics = [DECODE, Metric("accepted_per_step", "tokens")]
        run_case(case)


def s10_experts(setup, options, run_case):
    formats = options.formats[:1]
    for sequences in (1, 8):
        run_case(latency_case(*contestants(setup, options, formats), sequences, (128, 64)))


def s11_hog(setup, options, run_case):
    name = options.formats[0]
    engines = [Quire(setup, name), Quire(setup, name, hog=True)]
    pairs = [(engines[1].name, engines[0].name)]
    if setup.peers:
        engines += [Llama(setup, name), Llama(setup, name, hog=True)]
        pairs += [(engines[3].name, engines[2].name), (engines[1].name, engines[3].name)]
    for sequences in (1,) if options.quick else (1, 8):
        run_case(latency_case(engines, pairs, sequences, (128, 64)))


def m1_memory(setup, options, run_case):
    engines, pairs = contestants(setup, options)
    metrics = [Metric("load_s", "s", False), Metric("loaded_mb", "MB", False),
               Metric("kv_token_bytes", "bytes", False)]
    run_case(Case("start", engines, lambda engine: engine.memory(), metrics, pairs))


def rounds_in_turn(engines, lengths, count, sequences=1, same_prompts=False):
    """Rounds of all engines in turn, forth and back, by name; all are loaded before the first."""
    paced = {}
    try:
        for engine in engines:
            paced[engine.name] = engine.start_paced(sequences, *lengths)
        rounds = {name: [] for name in paced}
        for process in paced.values():
            process.round(0)
        for number in range(1, count + 1):
            for name in list(paced)[::-1 if number % 2 else 1]:
                rounds[name].append(paced[name].round(0 if same_prompts else number))
        if same_prompts:  # the prefix cache had them
            rounds = {name: [{"decode": r["decode"]} for r in of_engine]
                      for name, of_engine in rounds.items()}
        return rounds
    finally:
        for process in paced.values():
            process.stop()


def price_case(setup, name, lengths, count, **shape):
    """With the product twice: what its two copies differ by is not the price of anything."""
    engines = [Quire(setup, name), FreeOrder(setup, name), Quire(setup, name, tag="again")]
    return Case(f"{shape.get('sequences', 1)} x {lengths[0]} / {lengths[1]} {name}", engines,
                lambda order: rounds_in_turn(order, lengths, count, **shape),
                [DECODE] if shape.get("same_prompts") else [DECODE, PREFILL],
                [(engines[0].name, other.name) for other in engines[1:]], together=True)


def p1_price(setup, options, run_case):
    """Rows of one stream, of a crowd and of a prompt, with the order of sums fixed and free."""
    for name in options.formats:
        run_case(price_case(setup, name, (512, 48), 12))
    name = options.formats[0]
    run_case(price_case(setup, name, (160, 32), 6, sequences=16))
    run_case(price_case(setup, name, (4096, 32), 24, same_prompts=True))


SCENARIOS = {
    "S1": Scenario("One stream", s1_single),
    "S2": Scenario("Batched decode, offline", s2_batched),
    "S3": Scenario("Server, closed loop", s3_closed),
    "S4": Scenario("Server, Poisson arrivals", s4_open),
    "S5": Scenario("Server, shared prefix", s5_shared),
    "S6": Scenario("A long prompt arrives among running streams", s6_long),
    "S7": Scenario("KV cache in int8 against bf16", s7_kv),
    "S8": Scenario("N-gram speculation on repetitive text", s8_speculation),
    "S10": Scenario("Mixture of experts", s10_experts, "moe"),
    "S11": Scenario("With another process burning one processor", s11_hog),
    "P1": Scenario("Price of equal bytes: the order of sums fixed, and free", p1_price),
    "M1": Scenario("Memory and load time", m1_memory),
}
