#!/usr/bin/env python3
"""Makes the golden models of tests/golden/: tiny random checkpoints and what Transformers says of them.

    python tools/make_golden.py [NAME ...]     # all of tools/golden_configs.py, or those that begin so

Needs torch, transformers and, for the MLX layouts, mlx and mlx-lm. A golden file holds no weights:
they follow from a seed by a counter-based generator that tests/golden/golden_file.cc repeats bit by
bit. Element i of a tensor is, in float32 arithmetic,

    offset + scale * (2 u - 1)   with   u = (random_bits(fnv1a64(name) ^ seed, i) >> 40) * 2^-24

where random_bits is the one of base/rng.h. The seed is the first whose greedy tokens have a margin
that no rounding can turn (in f32 and with the weights rounded to bf16 and f16).
"""
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers
from safetensors import safe_open

from golden_configs import CONFIGS

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
MARGIN = 0.006  # of the largest |logit|: 30 times the tolerance of the test
SEEDS = 80
U64 = np.uint64


def mix64(x):
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


def fnv1a64(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def random_bits(key, count):
    gamma = U64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        position = np.arange(1, count + 1, dtype=np.uint64)
        return mix64(mix64(U64(key) + gamma) + position * gamma)


def tensor_values(name, shape, offset, scale, seed):
    bits = random_bits(fnv1a64(name.encode()) ^ seed, int(np.prod(shape)))
    u = (bits >> U64(40)).astype(np.float32) * np.float32(2.0**-24)
    two_u = np.float32(2) * u - np.float32(1)
    return (np.float32(offset) + np.float32(scale) * two_u).reshape(shape)


def spread(name, shape, zero_centred, embed_scale):
    """(offset, scale) that keep activations near 1 and make every kind of weight matter."""
    if name.endswith("A_log"):
        return 0.5, 0.75
    if name.endswith("dt_bias"):
        return -0.5, 1.0
    if name.endswith(("mixer.D",)):
        return 1.0, 0.25
    if "conv1d.weight" in name:
        return 0.125, 0.5
    if name.endswith("correction_bias"):
        return 0.0, 0.25
    if name.endswith("bias"):
        return 0.0, 0.25
    if "embed" in name and len(shape) == 2:
        return 0.0, embed_scale
    if len(shape) == 1:
        is_offset = zero_centred and "linear_attn" not in name
        return (0.0 if is_offset else 1.0), 0.375
    gain = 3.0 if "lm_head" in name or name.endswith("gate.weight") else 1.5
    return 0.0, float(np.float32(gain * (3.0 / shape[-1]) ** 0.5))


def round_to(values, dtype):
    return torch.from_numpy(values).to(dtype).to(torch.float32)


class Golden:
    def __init__(self, name, entry):
        self.name, self.entry = name, entry
        published = entry["config"]
        config_class = transformers.CONFIG_MAPPING[published["model_type"]]
        self.config = config_class.from_dict(json.loads(json.dumps(published)))
        self.config._experts_implementation = "eager"
        torch.manual_seed(0)
        self.model = transformers.AutoModelForCausalLM.from_config(
            self.config, attn_implementation="eager", dtype=torch.float32).eval()
        self.folder = tempfile.mkdtemp()
        self.model.save_pretrained(self.folder)
        with safe_open(self.folder + "/model.safetensors", "pt") as file:
            self.shapes = {k: list(file.get_slice(k).get_shape()) for k in file.keys()}
        zero_centred = entry.get("zero_centred", False)
        # A tied head would repeat the last token for ever if the embedding stayed the largest part
        # of the residual stream.
        embed_scale = 0.25 if self.config.tie_word_embeddings else 1.0
        if zero_centred and "gemma" in published["model_type"]:
            embed_scale /= 4  # times sqrt(hidden)
        self.spreads = {k: spread(k, s, zero_centred, embed_scale) for k, s in self.shapes.items()}
        for key, value in entry.get("spreads", {}).items():
            for tensor in self.spreads:
                if key in tensor:
                    self.spreads[tensor] = value

    def weights(self, seed, dtype=torch.float32):
        return {k: round_to(tensor_values(k, s, *self.spreads[k], seed), dtype)
                for k, s in self.shapes.items()}

    def load(self, weights):
        """Through Transformers' own loader, so that its renames and stackings are part of the oracle."""
        from safetensors.torch import save_file
        save_file(weights, self.folder + "/model.safetensors", {"format": "pt"})
        model, info = type(self.model).from_pretrained(
            self.folder, config=self.config, attn_implementation="eager", dtype=torch.float32,
            output_loading_info=True)
        left = {k: v for k, v in info.items() if v and k != "error_msgs"}
        missing = set(info["missing_keys"]) - {"lm_head.weight"}
        assert not missing and not info["unexpected_keys"], left
        return model.eval()

    @torch.no_grad()
    def run(self, model, prompt, steps):
        """Logits of all rows of prompt + greedy tokens; each step computes everything again."""
        ids, margin = list(prompt), float("inf")
        for step in range(steps + 1):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            if step == steps:
                break
            best = torch.topk(logits[-1], 2).values
            margin = min(margin, float((best[0] - best[1]) / logits[-1].abs().max()))
            ids.append(int(logits[-1].argmax()))
        return logits.numpy(), ids[len(prompt):], margin

    def measure(self, seed, dtype, prompt):
        model = self.load(self.weights(seed, dtype))
        return self.run(model, prompt, self.entry.get("steps", 64))

    def make(self):
        vocab = self.config.get_text_config().vocab_size
        count = self.entry.get("prompt", 56)
        best = None
        for seed in range(1, SEEDS):
            rng = random_bits(seed * 7919, count)
            prompt = [int(x % U64(vocab)) for x in rng]
            logits, greedy, margin = self.measure(seed, torch.float32, prompt)
            if self.entry.get("steps", 64) and len(set(greedy)) < 6:
                margin /= 100  # a loop of a few tokens tests little
            if best is None or margin > best[-1]:
                best = (seed, prompt, logits, greedy, margin)
            if margin > MARGIN:
                halves = {d: self.measure(seed, t, prompt)
                          for d, t in (("bf16", torch.bfloat16), ("f16", torch.float16))}
                if min(h[2] for h in halves.values()) > MARGIN / 2:
                    break
        else:
            seed, prompt, logits, greedy, margin = best
            halves = {d: self.measure(seed, t, prompt)
                      for d, t in (("bf16", torch.bfloat16), ("f16", torch.float16))}
            print(f"{self.name}: best margin is {margin:.2g}")
        self.write(seed, prompt, logits, greedy, halves, margin)

    def write(self, seed, prompt, logits, greedy, halves, margin):
        n = len(prompt)

        def rows(values, which):
            return [[r, [float(f"{x:.6g}") for x in values[r]]] for r in sorted(set(which))]

        last = len(logits) - 1
        golden = {
            "family": self.entry["family"],
            "about": self.entry["about"],
            "oracle": f"transformers {transformers.__version__}, float32, eager",
            "seed": seed,
            "context": n + len(greedy),
            "margin": float(f"{min([margin] + [h[2] for h in halves.values()]):.3g}") if greedy else 1,
            "config": json.load(open(self.folder + "/config.json")),
            "config_published": self.entry["config"],
            "tensors": [[k, s, *self.spreads[k]] for k, s in self.shapes.items()],
            "prompt": prompt,
            "f32": {"greedy": greedy, "logits": rows(logits, [n // 2, n - 1, last])},
        }
        for key, (half_logits, half_greedy, _) in halves.items():
            golden[key] = {"greedy": half_greedy, "logits": rows(half_logits, [n - 1, last])}
        if self.entry.get("mlx"):
            golden["mlx"] = self.mlx_layout(seed)
        text = json.dumps(golden, separators=(",", ":"))
        text = text.replace('],["', '],\n["').replace(',"', ',\n"', 0)
        for key in list(golden)[1:]:
            text = text.replace(f',"{key}":', f',\n"{key}":', 1)
        (OUT / f"{self.name}.json").write_text(text + "\n")
        print(f"{self.name}: seed {seed}, margin {golden['margin']}, "
              f"{len(set(greedy))} different tokens, {len(text)} bytes", flush=True)

    def mlx_layout(self, seed):
        """Names, shapes and hashes of the tensors after mlx-lm's own conversion."""
        import mlx.core as mx
        from mlx_lm.utils import _get_classes
        mx.set_default_device(mx.cpu)
        config = json.loads(json.dumps(self.entry["config"]))
        config["model_type"] = self.entry["mlx"]
        model_class, args_class = _get_classes(config)
        arguments = dict(config)
        if self.entry["mlx"] == "mamba2":  # has no default there
            arguments["intermediate_size"] = config["num_heads"] * config["head_dim"]
        if "qwen3_5" in self.entry["mlx"]:
            arguments = {"model_type": self.entry["mlx"], "text_config": config}
        model = model_class(args_class.from_dict(arguments))
        weights = {k: mx.array(v.numpy()) for k, v in self.published_weights(seed).items()}
        out = []
        for name, value in sorted(model.sanitize(weights).items()):
            data = np.array(value, dtype=np.float32)
            out.append([name, list(data.shape), f"{fnv1a64(data.tobytes()):016x}"])
        return out

    def published_weights(self, seed):
        """Weights under the names that mlx-lm expects of a published checkpoint."""
        weights = self.weights(seed)
        if self.entry["mlx"] != "qwen3_5_moe":
            return weights
        out = {k: v for k, v in weights.items() if ".experts." not in k}
        for layer in range(self.config.num_hidden_layers):
            stem = f"model.layers.{layer}.mlp.experts."

            def stacked(kind):
                return torch.stack([weights[f"{stem}{e}.{kind}.weight"]
                                    for e in range(self.config.num_experts)])

            out[stem + "gate_up_proj"] = torch.cat([stacked("gate_proj"), stacked("up_proj")], 1)
            out[stem + "down_proj"] = stacked("down_proj")
        return out


def main():
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    chosen = sys.argv[1:]
    for name, entry in CONFIGS.items():
        if not chosen or any(name.startswith(c) for c in chosen):
            Golden(name, entry).make()


if __name__ == "__main__":
    main()
