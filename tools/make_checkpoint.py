#!/usr/bin/env python3
"""Writes a random checkpoint of a named shape: what benchmarks load instead of a trained model.

    tools/make_checkpoint.py --shape qwen3-0.6b --out DIR
    tools/make_checkpoint.py --shape qwen3-0.6b --bits 4 --group 64 --out DIR     # MLX affine
    tools/make_checkpoint.py --shape llama-3.2-1b --set num_hidden_layers=4 --out DIR

Weights are N(0, 0.02), norms 1, equal for equal --seed, in bf16; --bits quantizes every matrix as MLX's
affine mode does. The tokenizer has the full vocabulary: made-up words, so that each token shows as
text, then the 256 bytes and three special tokens. Needs numpy. bench/gguf.py turns the folder into a file for llama.cpp.
"""
import argparse
import json
import math
import pathlib
import struct
import sys

import numpy as np

SHARD_BYTES_MAX = 4 << 30

QWEN3 = dict(model_type="qwen3", architectures=["Qwen3ForCausalLM"], vocab_size=151936,
             hidden_act="silu", rms_norm_eps=1e-6, rope_theta=1000000.0, head_dim=128,
             num_attention_heads=16, num_key_value_heads=8, max_position_embeddings=40960,
             attention_bias=False, use_sliding_window=False, tie_word_embeddings=True)

SHAPES = {
    "qwen3-0.6b": dict(QWEN3, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28),
    "qwen3-4b": dict(QWEN3, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36,
                     num_attention_heads=32),
    "llama-3.2-1b": dict(
        model_type="llama", architectures=["LlamaForCausalLM"], vocab_size=128256,
        hidden_act="silu", rms_norm_eps=1e-5, rope_theta=500000.0, head_dim=64, hidden_size=2048,
        intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=131072, attention_bias=False,
        mlp_bias=False, tie_word_embeddings=True),
    # Qwen3-30B-A3B's block at a sixth of its size: 32 experts, 4 active.
    "moe": dict(
        QWEN3, model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], hidden_size=1024,
        intermediate_size=3072, num_hidden_layers=16, num_key_value_heads=4, num_experts=32,
        num_experts_per_tok=4, moe_intermediate_size=768, norm_topk_prob=True,
        decoder_sparse_step=1, mlp_only_layers=[]),
    # Three layers of the gated delta rule to one of gated attention.
    "hybrid": dict(
        QWEN3, model_type="qwen3_5_text", architectures=["Qwen3_5ForCausalLM"], hidden_size=1024,
        intermediate_size=3584, num_hidden_layers=24, head_dim=256, num_attention_heads=8,
        num_key_value_heads=2, full_attention_interval=4, linear_num_key_heads=16,
        linear_num_value_heads=16, linear_key_head_dim=128, linear_value_head_dim=128,
        linear_conv_kernel_dim=4, attn_output_gate=True, mamba_ssm_dtype="float32",
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0,
                         "partial_rotary_factor": 0.25}),
    "tiny": dict(QWEN3, hidden_size=64, intermediate_size=128, num_hidden_layers=2, head_dim=16,
                 num_attention_heads=4, num_key_value_heads=2, vocab_size=4096,
                 max_position_embeddings=8192),
}
for key in ("rope_theta", "use_sliding_window"):
    del SHAPES["hybrid"][key]


def attention_tensors(c, prefix):
    gate = 2 if c.get("attn_output_gate") else 1
    hidden, head = c["hidden_size"], c["head_dim"]
    yield f"{prefix}q_proj.weight", (c["num_attention_heads"] * head * gate, hidden)
    for name in "kv":
        yield f"{prefix}{name}_proj.weight", (c["num_key_value_heads"] * head, hidden)
    yield f"{prefix}o_proj.weight", (hidden, c["num_attention_heads"] * head)
    if c["model_type"] != "llama":
        for name in "qk":
            yield f"{prefix}{name}_norm.weight", (head,)


def delta_tensors(c, prefix):
    keys = c["linear_num_key_heads"] * c["linear_key_head_dim"]
    values = c["linear_num_value_heads"] * c["linear_value_head_dim"]
    hidden, heads = c["hidden_size"], c["linear_num_value_heads"]
    yield f"{prefix}in_proj_qkv.weight", (2 * keys + values, hidden)
    yield f"{prefix}in_proj_z.weight", (values, hidden)
    yield f"{prefix}in_proj_b.weight", (heads, hidden)
    yield f"{prefix}in_proj_a.weight", (heads, hidden)
    yield f"{prefix}conv1d.weight", (2 * keys + values, 1, c["linear_conv_kernel_dim"])
    yield f"{prefix}A_log", (heads,)
    yield f"{prefix}dt_bias", (heads,)
    yield f"{prefix}norm.weight", (c["linear_value_head_dim"],)
    yield f"{prefix}out_proj.weight", (hidden, values)


def mlp_tensors(prefix, hidden, inner):
    yield f"{prefix}gate_proj.weight", (inner, hidden)
    yield f"{prefix}up_proj.weight", (inner, hidden)
    yield f"{prefix}down_proj.weight", (hidden, inner)


def tensors(c):
    """Name and shape of every tensor of a checkpoint with config `c`, in file order."""
    hidden = c["hidden_size"]
    yield "model.embed_tokens.weight", (c["vocab_size"], hidden)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield f"{prefix}input_layernorm.weight", (hidden,)
        interval = c.get("full_attention_interval")
        if interval and (layer + 1) % interval:
            yield from delta_tensors(c, f"{prefix}linear_attn.")
        else:
            yield from attention_tensors(c, f"{prefix}self_attn.")
        yield f"{prefix}post_attention_layernorm.weight", (hidden,)
        if c.get("num_experts"):
            yield f"{prefix}mlp.gate.weight", (c["num_experts"], hidden)
            for expert in range(c["num_experts"]):
                yield from mlp_tensors(f"{prefix}mlp.experts.{expert}.", hidden,
                                       c["moe_intermediate_size"])
        else:
            yield from mlp_tensors(f"{prefix}mlp.", hidden, c["intermediate_size"])
    yield "model.norm.weight", (hidden,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (c["vocab_size"], hidden)


def to_bf16(values):
    """f32 to bf16 as u16, rounded to nearest even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(values):
    return (values.astype(np.uint32) << 16).view(np.float32)


def draw(name, shape, index, args, zero_centred):
    """The tensor as bf16 bits. Each has its own stream, so that a shape's change moves no other."""
    if "norm" in name or name.endswith(("A_log", "dt_bias")):
        own = name.endswith("linear_attn.norm.weight")
        return to_bf16(np.full(shape, 0 if zero_centred and not own else 1, np.float32))
    generator = np.random.Generator(np.random.SFC64([args.seed, index]))
    values = generator.standard_normal(math.prod(shape), dtype=np.float32)
    values *= np.float32(args.std)
    return to_bf16(values).reshape(shape)


def quantize(weights, bits, group):
    """MLX affine: codes as a little-endian bit stream in u32, scales and biases in bf16."""
    rows, cols = weights.shape
    w = from_bf16(weights).reshape(rows, cols // group, group)
    low, high = w.min(-1, keepdims=True), w.max(-1, keepdims=True)
    steps = np.float32(2**bits - 1)
    scale = np.maximum((high - low) / steps, np.float32(1e-7))
    low_is_edge = np.abs(low) > np.abs(high)
    scale = np.where(low_is_edge, scale, -scale)
    edge = np.where(low_is_edge, low, high)
    zero = np.rint(edge / scale)
    scale = np.where(zero != 0, edge / np.where(zero != 0, zero, 1), scale)
    bias = np.where(zero != 0, edge, 0)
    codes = np.clip(np.rint((w - bias) / scale), 0, steps).astype(np.uint8).reshape(rows, cols)
    if bits == 8:
        packed = codes
    elif bits == 4:
        packed = codes[:, 0::2] | codes[:, 1::2] << 4
    else:
        stream = np.unpackbits(codes[..., None], axis=-1, bitorder="little")[..., :bits]
        packed = np.packbits(stream.reshape(rows, cols * bits), axis=-1, bitorder="little")
    return (np.ascontiguousarray(packed).view(np.uint32), to_bf16(scale[..., 0].astype(np.float32)),
            to_bf16(bias[..., 0].astype(np.float32)))


def is_quantized(name, shape, args):
    """MLX quantizes matrices, embeddings too, whose width is a multiple of the group."""
    return bool(args.bits) and len(shape) == 2 and shape[1] % args.group == 0 and not (
        name.endswith("mlp.gate.weight"))


def parts_of(name, shape, args):
    """The stored tensors of one of the model: (name, type, shape)."""
    if not is_quantized(name, shape, args):
        return [(name, "BF16", shape)]
    stem = name.removesuffix(".weight")
    groups = (shape[0], shape[1] // args.group)
    return [(name, "U32", (shape[0], shape[1] * args.bits // 32)),
            (f"{stem}.scales", "BF16", groups), (f"{stem}.biases", "BF16", groups)]


BYTES = {"BF16": 2, "U32": 4}


def plan_shards(config, args):
    """Lists of (index, name, shape, parts), each below the size of a file."""
    shards, size = [[]], 0
    for index, (name, shape) in enumerate(tensors(config)):
        parts = parts_of(name, shape, args)
        part_bytes = sum(BYTES[t] * math.prod(s) for _, t, s in parts)
        if size + part_bytes > SHARD_BYTES_MAX and shards[-1]:
            shards.append([])
            size = 0
        shards[-1].append((index, name, shape, parts))
        size += part_bytes
    return shards


def write_shard(path, shard, args, zero_centred):
    header, offset = {"__metadata__": {"format": "mlx" if args.bits else "pt"}}, 0
    for _, _, _, parts in shard:
        for part, dtype, shape in parts:
            end = offset + BYTES[dtype] * math.prod(shape)
            header[part] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
            offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for index, name, shape, parts in shard:
            weights = draw(name, shape, index, args, zero_centred)
            if len(parts) == 1:
                file.write(weights.tobytes())
                continue
            blocks = [weights[i:i + 8192] for i in range(0, shape[0], 8192)]
            done = [quantize(block, args.bits, args.group) for block in blocks]
            for part in zip(*done):
                for block in part:
                    file.write(block.tobytes())
    return offset


def byte_alphabet():
    """GPT-2's printable character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(256 + len(letters) - len(plain))
    return [letters[byte] for byte in range(256)]


def word(index):
    """A made-up word, different for each index, with the space before it."""
    letters = ""
    while True:
        index, rest = divmod(index, 100)
        letters += "bcdfghklmnprstvwxyzj"[rest % 20] + "aeiou"[rest // 20]
        if not index:
            return "\u0120" + letters


SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def vocabulary(size):
    # Bytes last: an answer of half characters would show no text, so prompts keep to the words.
    letters = byte_alphabet()
    return [word(i) for i in range(size - len(letters) - len(SPECIAL))] + letters


def write_tokenizer(folder, size):
    words = vocabulary(size)
    split = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
             "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": len(words) + i, "content": text, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for i, text in enumerate(SPECIAL)],
        "normalizer": None, "pre_tokenizer": split, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": {text: i for i, text in enumerate(words)}, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIAL[2], "bos_token": None,
        "pad_token": SPECIAL[0], "chat_template": TEMPLATE}, indent=1))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", required=True, choices=SHAPES)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder to write")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="config.json value instead of the shape's, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--std", type=float, default=0.02, help="of the weights")
    parser.add_argument("--bits", type=int, choices=[2, 3, 4, 5, 6, 8], help="MLX affine bits")
    parser.add_argument("--group", type=int, default=64, help="weights that share a scale")
    return parser.parse_args()


def make_config(args):
    config = dict(SHAPES[args.shape])
    for item in args.set:
        key, _, value = item.partition("=")
        if key not in config:
            sys.exit(f"make_checkpoint.py: --set {key}: shape {args.shape} has no such key")
        config[key] = json.loads(value)
    config["torch_dtype"] = "bfloat16"
    first = config["vocab_size"] - len(SPECIAL)
    config["eos_token_id"] = first + 2
    if args.bits:
        config["quantization"] = {"group_size": args.group, "bits": args.bits, "mode": "affine"}
    return config


def main():
    args = parse_arguments()
    config = make_config(args)
    args.out.mkdir(parents=True, exist_ok=True)
    zero_centred = config["model_type"].startswith("qwen3_5")
    shards, index, total = plan_shards(config, args), {}, 0
    for number, shard in enumerate(shards, 1):
        name = ("model.safetensors" if len(shards) == 1 else
                f"model-{number:05}-of-{len(shards):05}.safetensors")
        total += write_shard(args.out / name, shard, args, zero_centred)
        index.update({part: name for _, _, _, parts in shard for part, _, _ in parts})
    if len(shards) > 1:
        (args.out / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {"total_size": total}, "weight_map": index}, indent=1))
    write_tokenizer(args.out, config["vocab_size"])
    (args.out / "generation_config.json").write_text(
        json.dumps({"eos_token_id": config["eos_token_id"]}))
    # Last, so that a folder with a config.json is whole.
    (args.out / "config.json").write_text(json.dumps(config, indent=1))
    print(f"{args.out}: {total / 1e6:.1f} MB of weights, {config['vocab_size']} tokens")


if __name__ == "__main__":
    main()
