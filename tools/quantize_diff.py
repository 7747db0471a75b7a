#!/usr/bin/env python3
"""`quire quantize` against MLX: every parameter, and the logits of mlx-lm with both checkpoints, must be equal.

    tools/quantize_diff.py build/quire            # the demo at all widths, and a random model of every family
    tools/quantize_diff.py build/quire MODEL ...  # these checkpoints, or families by the beginnings of their names

Run with a Python that has mlx, mlx_lm, torch and transformers. The reference is mlx.nn.quantize() on the float
model that mlx_lm.load() made of the same source, with the widths that `quire quantize` reports; so names, stacked
experts and matrices of single heads are MLX's own. Then Quire serves the result, and its log-probabilities are
compared with mlx-lm's: both compute in another order, so within a tolerance.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import mlx.core as mx
import mlx.nn as nn
import mlx_lm.utils
from mlx.utils import tree_flatten

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]
IDS = [1, 5, 9, 20, 33, 64, 71, 7]
TOLERANCE = 5e-3  # of a log-probability; both in f32, with sums in another order; 4-bit codes move one by 0.3
SIZES = dict(hidden_size=128, intermediate_size=192, moe_intermediate_size=64, head_dim=64, num_hidden_layers=4,
             linear_key_head_dim=64, linear_value_head_dim=64, shared_expert_intermediate_size=64,
             q_lora_rank=64, kv_lora_rank=64, qk_nope_head_dim=64, qk_rope_head_dim=16, v_head_dim=64)


def load(folder):
    return mlx_lm.utils.load_model(pathlib.Path(folder), strict=True)[0]


def logprobs(model):
    logits = model(mx.array([IDS])).astype(mx.float32)
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def check_quire(binary, target, wanted):
    from harness import Server
    with Server(binary, "--kv-cache-dtype", "f32", "--dtype", "f32", model=target) as server:
        answer = server.post("/v1/completions", {"prompt": IDS, "max_tokens": 1, "prompt_logprobs": 0})
    rows = answer["choices"][0]["prompt_logprobs"]
    worst = 0.0
    for at in range(1, len(IDS)):
        worst = max(worst, abs(rows[at][str(IDS[at])]["logprob"] - wanted[0, at - 1, IDS[at]].item()))
    if worst > TOLERANCE:
        raise SystemExit(f"{target}: Quire's log-probabilities are {worst} away from mlx-lm's")
    return worst


def check(binary, source, bits, group, mixed="", name=None):
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "out"
        words = [binary, "quantize", str(source), str(target), "--bits", str(bits), "--group-size", str(group), "--json"]
        done = subprocess.run(words + (["--mixed", mixed] if mixed else []), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{name or source}: {done.stderr}")
        widths = {entry["module"]: entry for entry in json.loads(done.stdout)["tensors"]}
        left = set(widths)
        plain, ours = load(source), load(target)

        def predicate(path, module):
            if not hasattr(module, "to_quantized"):
                return False
            for module_name in (path, path.removeprefix("language_model."),
                                path.replace("language_model.model.", "model.language_model.", 1)):
                if module_name in widths:
                    left.discard(module_name)
                    return {"group_size": widths[module_name]["group_size"], "bits": widths[module_name]["bits"]}
            return False

        nn.quantize(plain, class_predicate=predicate)
        if left:
            raise SystemExit(f"{name or source}: MLX has no modules {sorted(left)[:5]}")
        wanted, given = dict(tree_flatten(plain.parameters())), dict(tree_flatten(ours.parameters()))
        if wanted.keys() != given.keys():
            raise SystemExit(f"{name or source}: parameters differ: {sorted(wanted.keys() ^ given.keys())[:5]}")
        for key, array in wanted.items():
            if array.dtype != given[key].dtype or not mx.array_equal(array, given[key]).item():
                raise SystemExit(f"{name or source}: {key} differs at {bits} bits, groups of {group}")
        plain.set_dtype(mx.float32)  # of scales and activations: MLX's CPU has no other experts, Quire no other sums
        ours.set_dtype(mx.float32)
        scores = logprobs(ours)
        difference = mx.abs(scores - logprobs(plain)).max().item()
        if difference != 0:
            raise SystemExit(f"{name or source}: logits differ by {difference} at {bits} bits, groups of {group}")
        stacks = sum(len(entry["shape"]) == 3 for entry in widths.values())
        worst = check_quire(binary, target, scores)
        print(f"{name or source}: {bits} bits, groups of {group} {mixed}: {len(widths)} matrices ({stacks} stacks) and "
              f"all logits equal; Quire's log-probabilities within {worst:.1e}", flush=True)


def stack_experts(path, experts):
    """The layout that Qwen3.5's published checkpoints have, the only one that mlx-lm takes."""
    tensors = mx.load(str(path))
    for prefix in {name.split(".experts.")[0] for name in tensors if ".experts.0." in name}:
        parts = {kind: mx.stack([tensors.pop(f"{prefix}.experts.{x}.{kind}_proj.weight") for x in range(experts)])
                 for kind in ("gate", "up", "down")}
        tensors[f"{prefix}.experts.gate_up_proj"] = mx.concatenate([parts["gate"], parts["up"]], axis=1)
        tensors[f"{prefix}.experts.down_proj"] = parts["down"]
    mx.eval(tensors)
    path.unlink()
    mx.save_safetensors(str(path), tensors, {"format": "pt"})


def random_models(folder, beginnings=("",)):
    """One checkpoint for each family that mlx-lm has, as Transformers writes it."""
    import torch
    import transformers
    from golden_configs import CONFIGS
    seen = set()
    for name, golden in CONFIGS.items():
        config = {**golden["config"]}
        if config["model_type"] in seen or not name.startswith(tuple(beginnings)):
            continue
        config.update({key: value for key, value in SIZES.items() if key in config}, initializer_range=0.2)
        if "num_heads" in config:  # Mamba-2; of several groups mlx-lm norms all at once, Transformers each
            config.update(n_groups=1, head_dim=2 * config["hidden_size"] // config["num_heads"],
                          intermediate_size=2 * config["hidden_size"])
        wrapped = config
        if config["model_type"].startswith("qwen3_5"):  # mlx-lm knows the wrapper of several modalities only
            wrapped = {"model_type": config["model_type"].removesuffix("_text"), "text_config": config,
                       "tie_word_embeddings": config["tie_word_embeddings"]}
        try:
            mlx_lm.utils._get_classes(wrapped)  # pylint: disable=protected-access
            torch.manual_seed(0)
            model = transformers.AutoModelForCausalLM.from_config(
                transformers.AutoConfig.for_model(**config), dtype=torch.bfloat16)
        except Exception as error:  # pylint: disable=broad-except
            print(f"{name}: not made: {error}")
            continue
        seen.add(config["model_type"])
        target = pathlib.Path(folder) / name
        model.save_pretrained(target)
        if config["model_type"] == "qwen3_5_moe_text":
            stack_experts(target / "model.safetensors", config["num_experts"])
        (target / "config.json").write_text(json.dumps(wrapped))
        yield name, target


def check_families(binary, beginnings=("",)):
    with tempfile.TemporaryDirectory() as folder:
        for name, source in random_models(folder, beginnings):
            check(binary, source, 4, 64, name=name)
            check(binary, source, 8, 32, "*down_proj=3/64,*embed*=6,*layers.1.*=none", name=name)


def main():
    binary, words = sys.argv[1], sys.argv[2:]
    for source in filter(os.path.isdir, words):
        check(binary, pathlib.Path(source), 4, 64)
    if words:
        beginnings = [word for word in words if not os.path.isdir(word)]
        return check_families(binary, beginnings) if beginnings else None
    for bits in (2, 3, 4, 5, 6, 8):
        check(binary, ROOT / "demo", bits, 64)
    check(binary, ROOT / "demo", 4, 32)
    check(binary, ROOT / "demo", 4, 128)
    check(binary, ROOT / "demo", 4, 64, "*down_proj=6/32,*embed_tokens=8,model.layers.0.*=none")
    return check_families(binary)


if __name__ == "__main__":
    main()
