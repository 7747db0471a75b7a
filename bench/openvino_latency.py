#!/usr/bin/env python3
"""One batch on OpenVINO GenAI, prefill and decode apart: what bench/suite.py runs as a peer.

    PEERS/openvino/bin/python bench/openvino_latency.py --gguf FILE --sequences 8 --input-tokens 128 \\
        --output-tokens 64 --threads 2 --kv f16

The prompts alone first; then the same prompts from the prefix cache with their answers. One JSON object
on standard output. Needs openvino-genai, which reads GGUF files of the llama and qwen families.
"""
import argparse
import json
import random
import time

import numpy
import openvino
import openvino_genai

RESERVED_TOKENS = 272


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--input-tokens", type=int, default=512)
    parser.add_argument("--output-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocab", type=int, required=True)
    parser.add_argument("--kv", choices=["f16", "u8"], default="f16")
    parser.add_argument("--kv-gib", type=int, default=4)
    return parser.parse_args()


def make_inputs(options, seed):
    draw = random.Random(seed)
    rows = [[draw.randrange(options.vocab - RESERVED_TOKENS) for _ in range(options.input_tokens)]
            for _ in range(options.sequences)]
    ids = numpy.array(rows, dtype=numpy.int64)
    return [openvino_genai.TokenizedInputs(openvino.Tensor(ids[i:i + 1].copy()),
                                           openvino.Tensor(numpy.ones_like(ids[i:i + 1])))
            for i in range(options.sequences)]


def run_batch(pipeline, inputs, tokens):
    """Adds all prompts, then steps until the last answer; returns seconds to each count of tokens."""
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens, config.ignore_eos, config.do_sample = tokens, True, False
    begin = time.perf_counter()
    handles = [pipeline.add_request(i, tokenized.input_ids, config)
               for i, tokenized in enumerate(inputs)]
    counts, times = [0] * len(handles), [[] for _ in handles]
    while pipeline.has_non_finished_requests():
        pipeline.step()
        now = time.perf_counter() - begin
        for i, handle in enumerate(handles):
            while handle.can_read():
                for output in handle.read().values():
                    counts[i] += len(output.generated_ids)
                    times[i] += [now] * len(output.generated_ids)
    if any(count != tokens for count in counts):
        raise SystemExit(f"openvino_latency.py: {counts} tokens instead of {tokens}")
    return times


def main():
    options = parse_arguments()
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = options.kv_gib
    scheduler.enable_prefix_caching = True
    scheduler.max_num_seqs = max(options.sequences, 1)
    begin = time.perf_counter()
    pipeline = openvino_genai.ContinuousBatchingPipeline(
        options.gguf, scheduler, "CPU",
        {"INFERENCE_NUM_THREADS": options.threads, "KV_CACHE_PRECISION": options.kv})
    load = time.perf_counter() - begin
    run_batch(pipeline, make_inputs(options, 0), 4)
    inputs = make_inputs(options, 1)
    prefill = max(times[-1] for times in run_batch(pipeline, inputs, 1))
    times = run_batch(pipeline, inputs, options.output_tokens)
    first, last = max(t[0] for t in times), min(t[-1] for t in times)
    decoded = sum(first < t <= last for row in times for t in row)
    print(json.dumps({
        "prefill": options.sequences * options.input_tokens / prefill,
        "decode": decoded / (last - first), "ttft_ms": 1e3 * prefill,
        "step_ms": 1e3 * (last - first) * options.sequences / max(1, decoded), "load_s": load}))


if __name__ == "__main__":
    main()
