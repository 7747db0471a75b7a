#!/usr/bin/env python3
"""Turns a bf16 checkpoint of tools/make_checkpoint.py into a GGUF file for llama.cpp.

    bench/gguf.py DIR FILE.gguf

Knows the llama, qwen3 and qwen3_moe layouts. Matrices stay bf16, vectors become f32, as llama.cpp
wants them; llama-quantize makes the other formats.
"""
import json
import mmap
import pathlib
import struct
import sys

ALIGNMENT = 32
F32, BF16 = 0, 30  # ggml's numbers
ARCHITECTURES = {"llama": ("llama", "llama-bpe"), "qwen3": ("qwen3", "qwen2"),
                 "qwen3_moe": ("qwen3moe", "qwen2")}
LAYER_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp"}
MODEL_NAMES = {"model.embed_tokens.weight": "token_embd.weight",
               "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


class Checkpoint:
    """The safetensors of a folder, mapped."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.tokenizer = json.loads((folder / "tokenizer.json").read_text())
        self.tensors = {}
        for path in sorted(folder.glob("*.safetensors")):
            with open(path, "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            size = struct.unpack("<Q", data[:8])[0]
            for name, entry in json.loads(data[8:8 + size]).items():
                if name == "__metadata__":
                    continue
                if entry["dtype"] != "BF16":
                    sys.exit(f"gguf.py: {name} is {entry['dtype']}, only BF16 is known")
                begin, end = entry["data_offsets"]
                self.tensors[name] = (tuple(entry["shape"]),
                                      memoryview(data)[8 + size + begin:8 + size + end])


def widened(data):
    """bf16 bytes as f32 bytes: the low half is zero."""
    out = bytearray(2 * len(data))
    out[2::4], out[3::4] = data[0::2], data[1::2]
    return bytes(out)


def interleaved_heads(data, shape, heads):
    """llama.cpp rotates neighbours, Hugging Face halves: rows of each head (a, b) become a0 b0 a1 b1 ..."""
    row, size = 2 * shape[1], shape[0] // heads
    order = [head * size + half * (size // 2) + i
             for head in range(heads) for i in range(size // 2) for half in range(2)]
    return b"".join(data[r * row:(r + 1) * row] for r in order)


def is_vector(name, shape):
    # Routers are small and llama.cpp keeps them in f32.
    return len(shape) == 1 or name.endswith("ffn_gate_inp.weight")


def converted(checkpoint):
    """(name, type, shape, function giving the bytes) of each tensor in llama.cpp's names."""
    c, experts = checkpoint.config, {}
    for source, (shape, data) in checkpoint.tensors.items():
        if source in MODEL_NAMES:
            name = MODEL_NAMES[source]
        else:
            layer, rest = source.removeprefix("model.layers.").split(".", 1)
            stem = rest.removesuffix(".weight")
            if stem.startswith("mlp.experts."):
                expert, part = stem.removeprefix("mlp.experts.").split(".")
                key = f"blk.{layer}.ffn_{part.removesuffix('_proj')}_exps.weight"
                experts.setdefault(key, {})[int(expert)] = (shape, data)
                continue
            name = f"blk.{layer}.{LAYER_NAMES[stem]}.weight"
        heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}.get(
            name.split(".")[-2])
        if is_vector(name, shape):
            yield name, F32, shape, lambda data=data: widened(data)
        elif c["model_type"] == "llama" and heads:
            yield name, BF16, shape, lambda data=data, shape=shape, n=c[heads]: (
                interleaved_heads(data, shape, n))
        else:
            yield name, BF16, shape, lambda data=data: data
    for name, parts in experts.items():
        stack = [parts[i][1] for i in range(len(parts))]
        yield name, BF16, (len(parts), *parts[0][0]), lambda stack=stack: b"".join(stack)


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def typed(value):
    """Type number and bytes of a metadata value."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, text(value)
    is_text = not value or isinstance(value[0], str)
    body = b"".join(text(v) if is_text else struct.pack("<i", v) for v in value)
    return 9, struct.pack("<IQ", 8 if is_text else 5, len(value)) + body


def metadata(checkpoint):
    c = checkpoint.config
    architecture, split = ARCHITECTURES[c["model_type"]]
    tokens = list(checkpoint.tokenizer["model"]["vocab"])
    added = [t["content"] for t in checkpoint.tokenizer["added_tokens"]]
    own = {
        "block_count": c["num_hidden_layers"], "context_length": c["max_position_embeddings"],
        "embedding_length": c["hidden_size"], "feed_forward_length": c["intermediate_size"],
        "attention.head_count": c["num_attention_heads"],
        "attention.head_count_kv": c["num_key_value_heads"],
        "attention.key_length": c["head_dim"], "attention.value_length": c["head_dim"],
        "attention.layer_norm_rms_epsilon": float(c["rms_norm_eps"]),
        "rope.freq_base": float(c["rope_theta"]), "rope.dimension_count": c["head_dim"],
        "vocab_size": c["vocab_size"]}
    if "num_experts" in c:
        own.update({"expert_count": c["num_experts"],
                    "expert_used_count": c["num_experts_per_tok"],
                    "expert_feed_forward_length": c["moe_intermediate_size"]})
    return {
        "general.architecture": architecture, "general.name": "random",
        **{f"{architecture}.{key}": value for key, value in own.items()},
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": split,
        "tokenizer.ggml.tokens": tokens + added,
        "tokenizer.ggml.token_type": [1] * len(tokens) + [3] * len(added),
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.eos_token_id": c["eos_token_id"],
        "tokenizer.ggml.bos_token_id": c["eos_token_id"],
        "tokenizer.ggml.add_bos_token": False}


def padding(size):
    return b"\0" * (-size % ALIGNMENT)


def write_gguf(checkpoint, path):
    tensors, values = list(converted(checkpoint)), metadata(checkpoint)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        number, body = typed(value)
        head += text(key) + struct.pack("<I", number) + body
    offset = 0
    for name, number, shape, _ in tensors:
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", size) for size in reversed(shape))
        head += struct.pack("<IQ", number, offset)
        size = 4 if number == F32 else 2
        for extent in shape:
            size *= extent
        offset += size + len(padding(size))
    with open(path, "wb") as file:
        file.write(head + padding(len(head)))
        for _, _, _, data in tensors:
            block = data()
            file.write(block)
            file.write(padding(len(block)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkpoint = Checkpoint(pathlib.Path(sys.argv[1]))
    if checkpoint.config["model_type"] not in ARCHITECTURES:
        sys.exit(f"gguf.py: model type {checkpoint.config['model_type']} is not one of "
                 + ", ".join(ARCHITECTURES))
    write_gguf(checkpoint, sys.argv[2])


if __name__ == "__main__":
    main()
