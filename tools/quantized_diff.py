#!/usr/bin/env python3
"""Random configurations of every family as quantized MLX checkpoints, served by Quire.

The drawing is tools/family_diff.py's with widths that groups of 32 divide. Each checkpoint is brought to the MLX
layout and quantized by mlx-lm: random bits, groups and scale types from module to module, some left float. The
right answers are Transformers' on the dequantized weights, so that every rope and window may be drawn, also those
that mlx-lm itself does not compute.
  tools/quantized_diff.py build/quire [--family NAME] [--rounds N] [--seed S]
"""
import argparse
import json
import pathlib
import random
import shutil
import sys
import tempfile

import mlx.core as mx
import numpy as np
import torch
import transformers
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes, quantize_model

import family_diff

# Options of the drawing, and what is drawn instead.
WIDE = (([48, 60, 72], [64, 96, 128]), ([40, 64, 100], [64, 96]), ([16, 24], [32, 64]), ([16, 36], [32, 64]),
        ([16, 28], [32, 64]), ([16, 20], [32]), ([None, 20, 32], [None, 32, 64]))
MLX_TYPES = {"gemma3": "gemma3_text"}
DTYPES = (mx.bfloat16, mx.float16, mx.float32)


def mlx_model(family, config):
    model_type = MLX_TYPES.get(family, family)
    config = {**config, "model_type": model_type}
    if family == "mamba2":
        config["intermediate_size"] = config["num_heads"] * config["head_dim"]
    if "num_local_experts" in config:
        config["num_experts"] = config["num_local_experts"]
    scaling = config.get("rope_parameters") or {}
    if "qwen3_5" in family:
        config = {"model_type": model_type, "text_config": config,
                  "tie_word_embeddings": config["tie_word_embeddings"]}
    else:  # what mlx-lm computes does not matter here, only that it builds the modules
        config["rope_theta"] = scaling.get("rope_theta", 10000.0)
        config["rope_scaling"] = config["rope_parameters"] = None
    model_class, args_class = _get_classes(config)
    return model_class(args_class.from_dict(config))


def published(family, weights, config):
    """Qwen3.5's experts come fused and stacked to mlx-lm."""
    if family != "qwen3_5_moe":
        return weights
    out = {k: v for k, v in weights.items() if ".experts." not in k}
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}.mlp.experts."
        stack = {kind: torch.stack([weights[f"{stem}{e}.{kind}.weight"] for e in range(config["num_experts"])])
                 for kind in ("gate_proj", "up_proj", "down_proj")}
        out[stem + "gate_up_proj"] = torch.cat([stack["gate_proj"], stack["up_proj"]], 1)
        out[stem + "down_proj"] = stack["down_proj"]
    return out


class Round:
    def __init__(self, family, seed):
        self.family, self.rng, self.plan = family, random.Random(f"quantized-{family}-{seed}"), {}

    def draw(self, options):
        options = list(options)
        if "qwen3_5" in self.family and options[0] is None and isinstance(options[-1], list):
            return None  # mlx-lm knows the interval only
        return self.rng.choice(next((wide for narrow, wide in WIDE if narrow == options), options))

    def widths(self, path, module):
        """One draw for each module; False where it stays float."""
        if not hasattr(module, "to_quantized"):
            return False
        bits, group = self.rng.choice((2, 3, 4, 4, 5, 6, 8)), self.rng.choice((32, 32, 64, 128))
        if module.weight.shape[-1] % group != 0 or self.rng.random() < 0.1:
            return False
        dtype = self.rng.choice(DTYPES)
        module.weight = module.weight.astype(dtype)
        self.plan[path] = (bits, group, dtype)
        return {"bits": bits, "group_size": group}

    def rounded(self, value, plan):
        bits, group, dtype = plan
        codes, scales, biases = mx.quantize(mx.array(np.ascontiguousarray(value.numpy())).astype(dtype), group, bits)
        wide = mx.dequantize(codes, scales.astype(mx.float32), biases.astype(mx.float32), group, bits)
        return torch.from_numpy(np.array(wide))

    def mlx_path(self, path):
        if ".experts." in path:
            stem, _, expert = path.partition(".experts.")
            path = f"{stem}.switch_mlp.{expert.partition('.')[2]}"
        return "language_model." + path if "qwen3_5" in self.family else path

    def dequantized(self, weights, config):
        out = {}
        for name, value in weights.items():
            if name.endswith("kv_b_proj.weight"):
                stem = name.removesuffix("kv_b_proj.weight")
                blocks = value.reshape(config["num_attention_heads"], -1, value.shape[-1])
                parts = [blocks[:, :config["qk_nope_head_dim"]].transpose(1, 2),
                         blocks[:, config["qk_nope_head_dim"]:]]
                for i, module in enumerate(("embed_q", "unembed_out")):
                    if stem + module in self.plan:
                        parts[i] = self.rounded(parts[i], self.plan[stem + module])
                value = torch.cat([parts[0].transpose(1, 2), parts[1]], 1).reshape(value.shape).contiguous()
            plan = self.plan.get(self.mlx_path(name.removesuffix(".weight")))
            out[name] = self.rounded(value, plan) if plan else value
        return out


def prepare(draw, seed, folder):
    """Writes both checkpoints; returns the Transformers model of the dequantized weights and its config."""
    from safetensors.torch import load_file, save_file
    config = family_diff.FAMILIES[draw.family](draw.draw)
    config.dtype = "float32"
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
    family_diff.randomise(model, seed)
    if config.tie_word_embeddings:
        model.tie_weights()
    source, target = folder / "float", folder / "mlx"
    model.save_pretrained(source)
    written = json.loads((source / "config.json").read_text())
    weights = load_file(source / "model.safetensors")
    quantized = mlx_model(draw.family, written)
    arrays = {k: mx.array(v.numpy()) for k, v in published(draw.family, weights, written).items()}
    arrays = quantized.sanitize(arrays)
    quantized.load_weights(list(arrays.items()), strict=False)
    known = dict(tree_flatten(quantized.parameters()))
    unknown = {k: v for k, v in arrays.items() if k not in known}  # biases that mlx-lm does not know stay float
    assert set(known) <= set(arrays), sorted(set(known) - set(arrays))
    quantized, made = quantize_model(quantized, {}, 32, 4, quant_predicate=draw.widths)
    target.mkdir()
    mx.save_safetensors(str(target / "model.safetensors"), {**dict(tree_flatten(quantized.parameters())), **unknown},
                        {"format": "mlx"})
    written["quantization"] = written["quantization_config"] = made["quantization"]
    (target / "config.json").write_text(json.dumps(written))
    save_file(draw.dequantized(weights, written), source / "model.safetensors", {"format": "pt"})
    reference = type(model).from_pretrained(source, config=config, attn_implementation="eager", dtype=torch.float32)
    return reference.eval(), config


def run_round(binary, family, seed):
    draw = Round(family, seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"quire-quantized-{family}-{seed}-"))
    try:
        model, config = prepare(draw, seed, folder)
        prompt = [draw.rng.randrange(config.vocab_size) for _ in range(draw.rng.choice([1, 13, 47]))]
        ids, logprobs, logit_max = family_diff.reference(model, prompt)
        worst = family_diff.compare(binary, folder / "mlx", prompt, ids, logprobs)
        if worst > family_diff.LOGPROB_TOLERANCE * logit_max:
            raise AssertionError(f"log-probabilities differ by {worst:.2e}, the largest logit is {logit_max:.1f}")
    except Exception as error:  # every failure is reported, the run goes on
        print(f"{family} seed {seed}: {type(error).__name__}: {str(error)[:600]}\n  checkpoint: {folder}", flush=True)
        return False
    print(f"{family} seed {seed}: equal, {len(draw.plan)} modules quantized, worst log-probability error {worst:.1e}, "
          f"largest logit {logit_max:.1f}", flush=True)
    shutil.rmtree(folder)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--family", choices=sorted(family_diff.FAMILIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    passed = total = 0
    for family in [options.family] if options.family else family_diff.FAMILIES:
        for seed in range(options.seed, options.seed + options.rounds):
            total += 1
            passed += run_round(options.binary, family, seed)
    print(f"{passed} of {total} equal")
    return 0 if passed == total else 1


if __name__ == "__main__":
    sys.exit(main())
