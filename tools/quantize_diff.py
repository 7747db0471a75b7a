#!/usr/bin/env python3
"""`quire quantize` against MLX: codes, scales and biases equal, and logits of mlx-lm with both checkpoints.

Run with a Python that has mlx and mlx_lm:  tools/quantize_diff.py build/quire [MODEL]
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import mlx.core as mx
import mlx_lm

ROOT = pathlib.Path(__file__).resolve().parents[1]


def check(binary, source, bits, group, mixed=""):
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "out"
        words = [binary, "quantize", str(source), str(target), "--bits", str(bits), "--group-size", str(group), "--json"]
        report = json.loads(subprocess.run(words + (["--mixed", mixed] if mixed else []), check=True,
                                           capture_output=True, text=True).stdout)
        given = mx.load(str(source / "model.safetensors"))
        made = mx.load(str(target / "model.safetensors"))
        for tensor in report["tensors"]:
            module = tensor["module"]
            wanted = mx.quantize(given[module + ".weight"], tensor["group_size"], tensor["bits"])
            for part, array in zip(("weight", "scales", "biases"), wanted):
                if not mx.array_equal(made[f"{module}.{part}"], array).item():
                    raise SystemExit(f"{module}.{part} differs at {bits} bits, groups of {group}")
        modules = {tensor["module"] for tensor in report["tensors"]}
        for name, array in given.items():
            if name.removesuffix(".weight") not in modules and not mx.array_equal(made[name], array).item():
                raise SystemExit(f"{name} was not copied as it was")
        model, _ = mlx_lm.load(str(target))
        ids = mx.array([[1, 5, 9, 20, 33, 64, 100, 7]])
        ours = model(ids)
        # The same model quantized by MLX itself, module by module.
        plain, _ = mlx_lm.load(str(source))
        widths = {tensor["module"]: tensor for tensor in report["tensors"]}
        import mlx.nn as nn
        nn.quantize(plain, class_predicate=lambda path, module: {
            "group_size": widths[path]["group_size"], "bits": widths[path]["bits"]} if path in widths else False)
        difference = mx.abs(ours - plain(ids)).max().item()
        if difference != 0:
            raise SystemExit(f"logits differ by {difference} at {bits} bits, groups of {group}")
        print(f"{bits} bits, groups of {group} {mixed}: {len(modules)} matrices and all logits equal")


def main():
    binary = sys.argv[1]
    source = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "demo"
    for bits in (2, 3, 4, 5, 6, 8):
        check(binary, source, bits, 64)
    check(binary, source, 4, 32)
    check(binary, source, 4, 128)
    check(binary, source, 4, 64, "*down_proj=6/32,*embed_tokens=8,model.layers.0.*=none")


if __name__ == "__main__":
    main()
