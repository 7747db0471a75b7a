"""What a step must at least read and compute, from the checkpoint's shape: the floors that results are compared with."""

WEIGHT_BYTES = {"f32": 4.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5625}  # int4: groups of 64
KV_BYTES = {"f32": 4.0, "bf16": 2.0, "int8": 1.0}
KV_SCALE_BYTES = {"int8": 4.0}  # for each key and each value
# Probe's name of the peak that a format can reach with an instruction set.
PEAKS = {
    "avx512": {"f32": "f32_avx512", "bf16": "bf16_avx512", "int8": "int8_avx512",
               "int4": "int8_avx512"},
    "avx2": {"f32": "f32_avx2", "bf16": "f32_avx2", "int8": "int8_avx2", "int4": "int4_avx2"},
}


def attention_layers(c):
    layers = c["num_hidden_layers"]
    interval = c.get("full_attention_interval")
    return layers // interval if interval else layers


def layer_weights(c):
    """Weights of one attention block and of one feed-forward unit (an expert where there are experts)."""
    hidden, head = c["hidden_size"], c["head_dim"]
    gate = 2 if c.get("attn_output_gate") else 1
    attention = hidden * head * ((1 + gate) * c["num_attention_heads"]
                                 + 2 * c["num_key_value_heads"])
    inner = c["moe_intermediate_size"] if c.get("num_experts") else c["intermediate_size"]
    return attention, 3 * hidden * inner


def delta_weights(c):
    keys = c["linear_num_key_heads"] * c["linear_key_head_dim"]
    values = c["linear_num_value_heads"] * c["linear_value_head_dim"]
    return c["hidden_size"] * (2 * keys + 3 * values + 2 * c["linear_num_value_heads"])


def weights(c, tokens, used=False):
    """Weights that a step over `tokens` tokens reads; used: that one token multiplies with."""
    attention, unit = layer_weights(c)
    experts, active = c.get("num_experts"), c.get("num_experts_per_tok", 1)
    units = 1.0
    if experts:
        units = active if used else experts * (1 - (1 - active / experts) ** tokens)
    mixers = attention_layers(c) * attention
    if attention_layers(c) < c["num_hidden_layers"]:
        mixers += (c["num_hidden_layers"] - attention_layers(c)) * delta_weights(c)
    return mixers + c["num_hidden_layers"] * units * unit


def head_weights(c):
    return c["vocab_size"] * c["hidden_size"]


def kv_token_bytes(c, kv):
    width = c["head_dim"] * KV_BYTES[kv] + KV_SCALE_BYTES.get(kv, 0)
    return attention_layers(c) * 2 * c["num_key_value_heads"] * width


def attention_operations(c, keys):
    """Of one token that sees `keys` keys."""
    return attention_layers(c) * 4 * c["num_attention_heads"] * c["head_dim"] * keys


def peaks(best, isa, weight_format):
    """Operations a second for products with weights and for attention."""
    names = PEAKS["avx512" if isa == "avx512" else "avx2"]
    attention = best.get(names["bf16"]) or best[names["f32"]]
    return 1e9 * (best.get(names[weight_format]) or best[names["f32"]]), 1e9 * attention


def decode_floor(c, facts, bandwidth, peak):
    """Tokens a second of all sequences; facts: format, kv, sequences, context (tokens each)."""
    n, context = facts["sequences"], facts["context"]
    size = WEIGHT_BYTES[facts["format"]]
    read = (weights(c, n) + head_weights(c)) * size + n * context * kv_token_bytes(c, facts["kv"])
    matrix, attention = peak
    compute = (2 * n * (weights(c, 1, used=True) + head_weights(c)) / matrix
               + n * attention_operations(c, context) / attention)
    seconds = max(read / bandwidth, compute)
    return {"tokens_per_second": n / seconds, "bytes_per_step": read,
            "bound": "compute" if compute > read / bandwidth else "memory"}


def prefill_floor(c, facts, bandwidth, peak):
    """Prompt tokens a second; facts: format, kv, sequences, input."""
    length, n = facts["input"], facts["sequences"]
    matrix, attention = peak
    compute = n * (2 * (length * weights(c, 1, used=True) + head_weights(c)) / matrix
                   + length * attention_operations(c, length / 2) / attention)
    read = (weights(c, length) + head_weights(c)) * WEIGHT_BYTES[facts["format"]]
    seconds = max(compute, read / bandwidth)
    return {"tokens_per_second": n * length / seconds,
            "bound": "compute" if compute > read / bandwidth else "memory"}
