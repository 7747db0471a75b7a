#!/usr/bin/env python3
"""Random configurations of every family, served by Quire and compared with Transformers.

Needs torch, transformers and safetensors. For each drawn configuration: a random f32 checkpoint saved by
Transformers (sometimes sharded, sometimes with the published spelling of its config), `quire serve` on it, then
64 greedy tokens and the log-probabilities of the prompt and of each token, compared with Transformers in f32.
  tools/family_diff.py build/quire [--family NAME] [--rounds N] [--seed S] [--keep]
"""
import argparse
import json
import math
import pathlib
import random
import shutil
import sys
import tempfile

import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from harness import Server  # noqa: E402  pylint: disable=wrong-import-position

# Logits may differ by 2e-4 of the largest one, and so may the normaliser of a log-probability.
LOGPROB_TOLERANCE = 2 * 2e-4
NEW_TOKENS = 64
MARGIN_COMPARED = 2e-3


def common(draw, heads=(2, 4, 6), head_dim=True):
    count = draw(heads)
    return dict(vocab_size=draw([96, 131, 200, 257]), hidden_size=draw([48, 60, 72]),
                intermediate_size=draw([40, 64, 100]), num_hidden_layers=draw([2, 3, 4]),
                num_attention_heads=count, num_key_value_heads=draw([k for k in (1, 2, 3, 6) if count % k == 0]),
                max_position_embeddings=draw([256, 512, 4096]), rms_norm_eps=draw([1e-5, 1e-6, 1e-3]),
                tie_word_embeddings=draw([True, False]),
                **({"head_dim": draw([8, 16, 24, 32])} if head_dim else {}))


def rope(draw, config, kinds=("default", "linear", "dynamic", "llama3", "yarn", "longrope"), dims=None):
    kind = draw(kinds)
    parameters = {"rope_type": kind, "rope_theta": draw([10000.0, 500000.0, 1e6])}
    dims = dims or config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    if kind in ("linear", "dynamic", "yarn", "longrope"):
        parameters["factor"] = draw([1.5, 4.0, 8.0])
    if kind == "llama3":
        parameters.update(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=draw([32, 64]))
    if kind == "yarn":
        parameters["original_max_position_embeddings"] = draw([32, 64])
        parameters.update(draw([{}, {"beta_fast": 16.0, "beta_slow": 2.0}, {"attention_factor": 1.3},
                                {"mscale": 1.0, "mscale_all_dim": 0.7}, {"truncate": False}]))
    if kind == "longrope":
        original = config["max_position_embeddings"] // draw([1, 2])
        parameters.update(short_factor=[1.0 + 0.02 * i for i in range(dims // 2)],
                          long_factor=[1.5 + 0.1 * i for i in range(dims // 2)],
                          original_max_position_embeddings=original)
        parameters["factor"] = config["max_position_embeddings"] / original
    return parameters


def llama(draw):
    config = common(draw)
    if config["hidden_size"] % config["num_attention_heads"] == 0 and draw([True, False]):
        if (config["hidden_size"] // config["num_attention_heads"]) % 2 == 0:
            config["head_dim"] = config["hidden_size"] // config["num_attention_heads"]
    config.update(attention_bias=draw([True, False]), mlp_bias=draw([True, False]),
                  hidden_act=draw(["silu", "silu", "gelu", "gelu_pytorch_tanh", "relu"]))
    config["rope_parameters"] = rope(draw, config)
    return transformers.LlamaConfig(**config)


def mistral(draw):
    config = common(draw)
    config.update(sliding_window=draw([None, 5, 16, 33, 4096]))
    config["rope_parameters"] = rope(draw, config, ("default", "yarn", "linear"))
    return transformers.MistralConfig(**config)


def windows(draw, layers):
    return draw([dict(use_sliding_window=False),
                 dict(use_sliding_window=True, sliding_window=draw([4, 17, 40]), max_window_layers=draw([0, 1, layers]))])


def qwen2(draw):
    config = common(draw, head_dim=False)
    while (config["hidden_size"] // config["num_attention_heads"]) % 2 or config["hidden_size"] % config["num_attention_heads"]:
        config.update(common(draw, head_dim=False))
    config.update(windows(draw, config["num_hidden_layers"]))
    config["rope_parameters"] = rope(draw, config, ("default", "yarn", "linear", "dynamic"))
    return transformers.Qwen2Config(**config)


def qwen3(draw):
    config = common(draw)
    config.update(windows(draw, config["num_hidden_layers"]), attention_bias=draw([True, False]))
    config["rope_parameters"] = rope(draw, config, ("default", "yarn", "linear", "dynamic", "llama3"))
    return transformers.Qwen3Config(**config)


def gemma3(draw):
    config = common(draw)
    config.pop("tie_word_embeddings")
    layers = config["num_hidden_layers"] = draw([3, 6, 7])
    kinds = draw([None, ["sliding_attention"] * layers, ["full_attention"] * layers,
                  [draw(["sliding_attention", "full_attention"]) for _ in range(layers)]])
    scaling = draw([{"rope_type": "default"}, {"rope_type": "linear", "factor": 8.0}])
    config.update(query_pre_attn_scalar=draw([16, 24, 256]), sliding_window=draw([6, 17, 64]), layer_types=kinds,
                  attention_bias=draw([True, False]), final_logit_softcapping=draw([None, 5.0]),
                  attn_logit_softcapping=draw([None, None, 5.0]),
                  hidden_activation=draw(["gelu_pytorch_tanh", "silu"]), tie_word_embeddings=draw([True, True, False]),
                  rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                                   "full_attention": {**scaling, "rope_theta": 1e6}})
    return transformers.Gemma3TextConfig(**config)


def qwen3_moe(draw):
    config = common(draw)
    experts = draw([4, 6, 8])
    config.update(windows(draw, config["num_hidden_layers"]), attention_bias=draw([True, False]),
                  num_experts=experts, num_experts_per_tok=draw([1, 2, experts // 2]),
                  moe_intermediate_size=draw([16, 36]), norm_topk_prob=draw([True, False]),
                  decoder_sparse_step=draw([1, 1, 2]), mlp_only_layers=draw([[], [0], [1]]))
    config.pop("max_window_layers", None)
    config["rope_parameters"] = rope(draw, config, ("default", "yarn"))
    return transformers.Qwen3MoeConfig(**config)


def deepseek_v3(draw):
    config = common(draw, heads=(2, 4), head_dim=False)
    config["num_key_value_heads"] = config["num_attention_heads"]
    groups = draw([1, 2, 4])
    rope_dims = draw([4, 8])
    config.update(q_lora_rank=draw([None, 20, 32]), kv_lora_rank=draw([16, 24]), qk_rope_head_dim=rope_dims,
                  qk_nope_head_dim=draw([8, 12]), v_head_dim=draw([8, 14]), n_routed_experts=8, n_group=groups,
                  topk_group=draw([g for g in (1, 2, 4) if g <= groups]), num_experts_per_tok=draw([1, 2]),
                  n_shared_experts=draw([1, 2]), moe_intermediate_size=draw([16, 28]),
                  first_k_dense_replace=draw([0, 1, 2]), norm_topk_prob=draw([True, True, False]),
                  routed_scaling_factor=draw([1.0, 2.5]), attention_bias=draw([True, False]),
                  rope_interleave=draw([True, False]))
    parameters = rope(draw, config, ("default", "yarn", "yarn"), dims=rope_dims)
    config["rope_parameters"] = parameters
    return transformers.DeepseekV3Config(**config)


def qwen3_5_keys(draw):
    config = common(draw)
    layers = config["num_hidden_layers"] = draw([3, 4, 5])
    key_heads = draw([1, 2])
    config.update(linear_num_key_heads=key_heads, linear_num_value_heads=key_heads * draw([1, 2, 3]),
                  linear_key_head_dim=draw([8, 16]), linear_value_head_dim=draw([8, 12, 16]),
                  linear_conv_kernel_dim=draw([2, 4]), attention_bias=draw([True, False]), head_dim=draw([16, 32]),
                  layer_types=draw([None, [draw(["linear_attention", "full_attention"]) for _ in range(layers - 1)]
                                    + ["full_attention"]]),
                  rope_parameters={"rope_type": "default", "rope_theta": draw([10000.0, 1e7]),
                                   "partial_rotary_factor": draw([0.25, 0.5, 1.0]),
                                   "mrope_interleaved": True, "mrope_section": [1, 1, 0]})
    rotated = int(config["head_dim"] * config["rope_parameters"]["partial_rotary_factor"])
    config["rope_parameters"]["mrope_section"] = [rotated // 2 - 2 * (rotated // 6)] + [rotated // 6] * 2
    return config


def qwen3_5(draw):
    return transformers.models.qwen3_5.Qwen3_5TextConfig(**qwen3_5_keys(draw))


def qwen3_5_moe(draw):
    config = qwen3_5_keys(draw)
    config.pop("intermediate_size")
    config.update(num_experts=8, num_experts_per_tok=draw([1, 2, 4]), moe_intermediate_size=draw([16, 20]),
                  shared_expert_intermediate_size=draw([16, 24]))
    return transformers.models.qwen3_5_moe.Qwen3_5MoeTextConfig(**config)


def mamba2(draw):
    heads, head_dim = draw([2, 4, 6]), draw([8, 16])
    expand = 2
    return transformers.Mamba2Config(
        vocab_size=draw([96, 131]), hidden_size=heads * head_dim // expand, num_heads=heads, head_dim=head_dim,
        state_size=draw([8, 16, 20]), num_hidden_layers=draw([2, 3]), expand=expand, conv_kernel=draw([2, 4]),
        n_groups=draw([g for g in (1, 2) if heads % g == 0]), use_bias=draw([True, False]),
        use_conv_bias=draw([True, False]), layer_norm_epsilon=draw([1e-5, 1e-3]), chunk_size=draw([8, 32, 256]),
        tie_word_embeddings=draw([True, False]),
        time_step_limit=draw([(0.0, float("inf")), (0.0, float("inf"))]), pad_token_id=None, bos_token_id=None,
        eos_token_id=None)


FAMILIES = {f.__name__: f for f in (llama, mistral, qwen2, qwen3, gemma3, qwen3_moe, deepseek_v3, qwen3_5,
                                    qwen3_5_moe, mamba2)}


def published_spelling(config):
    """The keys that checkpoints published before Transformers 5 carry, for the same model."""
    config = dict(config)
    rope_parameters = config.pop("rope_parameters", None)
    if config.get("model_type", "").startswith("gemma3") and rope_parameters:
        config["rope_theta"] = rope_parameters["full_attention"]["rope_theta"]
        config["rope_local_base_freq"] = rope_parameters["sliding_attention"]["rope_theta"]
        scaling = {k: v for k, v in rope_parameters["full_attention"].items() if k != "rope_theta"}
        config["rope_scaling"] = None if scaling.get("rope_type") == "default" else scaling
    elif rope_parameters:
        scaling = dict(rope_parameters)
        config["rope_theta"] = scaling.pop("rope_theta")
        if "partial_rotary_factor" in scaling:
            config["partial_rotary_factor"] = scaling.pop("partial_rotary_factor")
        kind = scaling.pop("rope_type")
        if kind == "default":
            config["rope_scaling"] = None
        else:
            config["rope_scaling"] = {"type" if kind in ("linear", "dynamic", "yarn") else "rope_type": kind, **scaling}
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.49.0"
    return config


def randomise(model, seed):
    """Weights with a healthy spread: random init of Transformers leaves many biases and norms trivial."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("A_log"):
                parameter.copy_(noise.abs() * 0.5 + 0.1)
            elif parameter.dim() == 1 or "norm" in name:
                centre = 0.0 if "bias" in name or "gemma" in type(model).__name__.lower() else 1.0
                parameter.copy_(centre + 0.2 * noise)
            else:
                fan_in = parameter.shape[-1]
                parameter.copy_(noise * (1.4 / math.sqrt(fan_in) if "embed" not in name else 0.7))


def reference(model, prompt):
    """Greedy continuation, its log-probabilities and the largest logit, recomputed in one pass at the end."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(NEW_TOKENS):
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
            ids.append(int(logits.argmax()))
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].float()
    return ids, torch.log_softmax(logits, -1), float(logits.abs().max())


def compare(binary, folder, prompt, ids, logprobs):
    """The largest log-probability error; raises on different greedy tokens."""
    with Server(binary, "--dtype", "f32", "--kv-cache-dtype", "f32", model=folder) as server:
        choice = server.post("/v1/completions", {
            "prompt": prompt, "max_tokens": NEW_TOKENS, "temperature": 0, "ignore_eos": True, "logprobs": 3,
            "return_token_ids": True, "return_tokens_as_token_ids": True})["choices"][0]
        scored = server.post("/v1/completions", {"prompt": ids, "max_tokens": 1, "prompt_logprobs": 2})
    worst = 0.0
    for i, row in enumerate(scored["choices"][0]["prompt_logprobs"]):
        for token, entry in (row or {}).items():
            worst = max(worst, abs(entry["logprob"] - float(logprobs[i - 1, int(token)])))
    for i, token in enumerate(choice["token_ids"]):
        row = logprobs[len(prompt) + i - 1]
        best = torch.topk(row, 2).values
        if token != ids[len(prompt) + i]:
            if float(best[0] - best[1]) < MARGIN_COMPARED:
                break
            raise AssertionError(f"token {i} is {token}, Transformers has {ids[len(prompt) + i]}")
    return worst


def write_tokenizer(folder, vocab_size):
    """A vocabulary of meaningless words: the comparison speaks in token ids."""
    vocabulary = {f"w{i}": i for i in range(vocab_size)}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}))


def run_round(binary, family, seed, keep):
    rng = random.Random(f"{family}-{seed}")
    config = FAMILIES[family](lambda options: rng.choice(list(options)))
    config.dtype = "float32"
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
    randomise(model, seed)
    if config.tie_word_embeddings:
        model.tie_weights()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"quire-{family}-{seed}-"))
    model.save_pretrained(folder, max_shard_size=rng.choice(["5GB", "20KB"]))
    written = json.loads((folder / "config.json").read_text())
    spelling = rng.choice(["written", "published"])
    if spelling == "published":
        (folder / "config.json").write_text(json.dumps(published_spelling(written)))
    if rng.random() < 0.5:
        write_tokenizer(folder, config.vocab_size)
    prompt = [rng.randrange(config.vocab_size) for _ in range(rng.choice([1, 13, 47, 70]))]
    ids, logprobs, logit_max = reference(model, prompt)
    try:
        worst = compare(binary, folder, prompt, ids, logprobs)
        if worst > LOGPROB_TOLERANCE * logit_max:
            raise AssertionError(f"log-probabilities differ by {worst:.2e}, the largest logit is {logit_max:.1f}")
    except Exception as error:  # every failure is reported, the run goes on
        print(f"{family} seed {seed} {spelling}: {type(error).__name__}: {str(error)[:600]}\n  checkpoint: {folder}", flush=True)
        return False
    print(f"{family} seed {seed} {spelling}: equal, worst log-probability error {worst:.1e}, largest logit {logit_max:.1f}", flush=True)
    if not keep:
        shutil.rmtree(folder)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--family", choices=sorted(FAMILIES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the checkpoints of passing rounds too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    passed = total = 0
    for family in [options.family] if options.family else FAMILIES:
        for seed in range(options.seed, options.seed + options.rounds):
            total += 1
            passed += run_round(options.binary, family, seed, options.keep)
    print(f"{passed} of {total} equal")
    return 0 if passed == total else 1


if __name__ == "__main__":
    sys.exit(main())
