"""The configs of the golden models, as published checkpoints spell them (make_golden.py adds how
Transformers 5 writes the same). Together they cover the odd keys of each family."""

BASE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=48, vocab_size=96, max_position_embeddings=512, rms_norm_eps=1e-6,
            tie_word_embeddings=False)
CONFIGS = {}


def add(name, family, about, defaults, config, extra=None):
    CONFIGS[name] = {"family": family, "about": about, "config": {**BASE, **defaults, **config},
                     **(extra or {})}


def llama(n, about, extra=None, **config):
    add(f"llama_{n}", "llama", about,
        dict(model_type="llama", architectures=["LlamaForCausalLM"], hidden_act="silu",
             torch_dtype="float32"), config, extra)


llama(1, "biases everywhere, no grouping", attention_bias=True, mlp_bias=True,
      num_key_value_heads=None, rope_theta=500.0, rms_norm_eps=1e-5)
llama(2, "llama3 rope, tied head, head_dim apart from hidden / heads", tie_word_embeddings=True,
      head_dim=24, rope_theta=5000.0,
      rope_scaling={"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 32, "rope_type": "llama3"})
llama(3, "yarn rope with old spelling, gelu", hidden_act="gelu", num_key_value_heads=1,
      rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})
llama(4, "linear rope, tanh gelu, three layers", hidden_act="gelu_pytorch_tanh",
      num_hidden_layers=3, rope_scaling={"type": "linear", "factor": 2.5})
llama(5, "dynamic rope below its original length", rope_scaling={"type": "dynamic", "factor": 4.0})
llama(6, "dynamic rope beyond its original length: logits at the whole length only",
      extra={"prompt": 90, "steps": 0}, max_position_embeddings=64,
      rope_scaling={"type": "dynamic", "factor": 4.0})
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3, 1.7],
        "long_factor": [1.5, 2.0, 4.0, 7.5]}
llama(7, "longrope within its original length",
      rope_scaling={**LONG, "original_max_position_embeddings": 256, "factor": 2.0})
llama(8, "longrope beyond its original length",
      rope_scaling={**LONG, "original_max_position_embeddings": 32, "factor": 16.0})


def mistral(n, about, **config):
    add(f"mistral_{n}", "mistral", about,
        dict(model_type="mistral", architectures=["MistralForCausalLM"], hidden_act="silu",
             rope_theta=10000.0), config)


mistral(1, "window of 12 tokens in every layer", sliding_window=12)
mistral(2, "no window (null), head_dim apart from hidden / heads", sliding_window=None, head_dim=12)
mistral(3, "window absent: the class's 4096; tied head", tie_word_embeddings=True,
        num_hidden_layers=3)


def qwen2(n, about, **config):
    add(f"qwen2_{n}", "qwen2", about,
        dict(model_type="qwen2", architectures=["Qwen2ForCausalLM"], hidden_act="silu",
             rope_theta=1000000.0), config)


qwen2(1, "biases on q, k and v; windows configured but off", use_sliding_window=False,
      sliding_window=8, max_window_layers=0)
qwen2(2, "windows on the layers from max_window_layers on, tied head", use_sliding_window=True,
      sliding_window=10, max_window_layers=1, num_hidden_layers=3, tie_word_embeddings=True)
qwen2(3, "layer_types beside yarn", use_sliding_window=True, sliding_window=9, max_window_layers=2,
      layer_types=["sliding_attention", "full_attention"],
      rope_scaling={"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 48})


def qwen3(n, about, **config):
    add(f"qwen3_{n}", "qwen3", about,
        dict(model_type="qwen3", architectures=["Qwen3ForCausalLM"], hidden_act="silu",
             head_dim=16, rope_theta=1000000.0), config)


qwen3(1, "normed q and k, tied head", tie_word_embeddings=True, attention_bias=False,
      use_sliding_window=False, sliding_window=None, max_window_layers=2)
qwen3(2, "biases, windows on the upper layers", attention_bias=True, use_sliding_window=True,
      sliding_window=11, max_window_layers=1, num_hidden_layers=3)
qwen3(3, "yarn with an explicit attention factor and betas", rope_theta=100.0,
      rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32,
                    "attention_factor": 1.25, "beta_fast": 16.0, "beta_slow": 2.0})


def gemma3(n, about, **config):
    add(f"gemma3_{n}", "gemma3", about,
        dict(model_type="gemma3_text", architectures=["Gemma3ForCausalLM"], num_hidden_layers=4,
             head_dim=16, sliding_window=12, sliding_window_pattern=3, query_pre_attn_scalar=24,
             rope_theta=1000000.0, rope_local_base_freq=10000.0,
             hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True), config,
        {"zero_centred": True})


gemma3(1, "one global layer in three, tied head")
gemma3(2, "linear scaling of the global rope only, capped logits, biases", attention_bias=True,
       final_logit_softcapping=6.0, rope_scaling={"factor": 8.0, "rope_type": "linear"})
gemma3(3, "layer_types, other local base, own head, capping key that has no effect",
       layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
       rope_local_base_freq=500.0, tie_word_embeddings=False, attn_logit_softcapping=50.0,
       num_key_value_heads=1)


def qwen3_moe(n, about, extra=None, **config):
    add(f"qwen3_moe_{n}", "qwen3_moe", about,
        dict(model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], hidden_act="silu",
             head_dim=16, rope_theta=1000000.0, num_experts=8, num_experts_per_tok=2,
             moe_intermediate_size=24, decoder_sparse_step=1, mlp_only_layers=[]), config,
        {"mlx": "qwen3_moe", **(extra or {})})


qwen3_moe(1, "all layers sparse, weights renormalised", norm_topk_prob=True)
qwen3_moe(2, "dense layers by step and by list, weights not renormalised", norm_topk_prob=False,
          num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3], num_experts=5,
          num_experts_per_tok=3)
qwen3_moe(3, "windows in every layer, biases, tied head", norm_topk_prob=True, attention_bias=True,
          use_sliding_window=True, sliding_window=10, max_window_layers=2,
          tie_word_embeddings=True, extra={"mlx": None})


def deepseek_v3(n, about, **config):
    add(f"deepseek_v3_{n}", "deepseek_v3", about,
        dict(model_type="deepseek_v3", architectures=["DeepseekV3ForCausalLM"], hidden_act="silu",
             rope_theta=10000.0, num_key_value_heads=4, kv_lora_rank=16, q_lora_rank=24,
             qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=10, n_routed_experts=8,
             n_shared_experts=1, moe_intermediate_size=16, num_experts_per_tok=3, n_group=4,
             topk_group=2, first_k_dense_replace=1, moe_layer_freq=1, topk_method="noaux_tc",
             scoring_func="sigmoid", norm_topk_prob=True, routed_scaling_factor=2.5,
             num_nextn_predict_layers=1, ep_size=1), config, {"mlx": "deepseek_v3"})


deepseek_v3(1, "groups, yarn with mscale, rms_norm_eps that the latent norms ignore",
            rms_norm_eps=1e-3,
            rope_scaling={"type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32,
                          "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0})
deepseek_v3(2, "plain q projection, one group, half-split rope, two dense layers", q_lora_rank=None,
            n_group=1, topk_group=1, rope_interleave=False, first_k_dense_replace=2,
            num_hidden_layers=3)
deepseek_v3(3, "biases, no renormalisation, two shared experts, mscale apart from mscale_all_dim",
            attention_bias=True, norm_topk_prob=False, n_shared_experts=2, first_k_dense_replace=0,
            routed_scaling_factor=1.0, n_group=2, topk_group=1,
            rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64,
                          "mscale": 0.7, "mscale_all_dim": 1.3})


def qwen3_5(name, about, model_type, **config):
    add(name, "qwen3_5", about,
        dict(model_type=model_type + "_text", hidden_act="silu", num_hidden_layers=4, head_dim=16,
             architectures=["Qwen3_5MoeForCausalLM" if "moe" in model_type else
                            "Qwen3_5ForCausalLM"],
             full_attention_interval=4, linear_num_key_heads=2, linear_num_value_heads=4,
             linear_key_head_dim=8, linear_value_head_dim=12, linear_conv_kernel_dim=4,
             attn_output_gate=True, mamba_ssm_dtype="float32",
             rope_parameters={"rope_type": "default", "rope_theta": 100000.0,
                              "partial_rotary_factor": 0.25, "mrope_interleaved": True,
                              "mrope_section": [1, 1, 0]}), config,
        {"zero_centred": True, "mlx": model_type})


MOE = dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=16,
           shared_expert_intermediate_size=24)
qwen3_5("qwen3_5_1", "three linear layers to one of attention", "qwen3_5")
qwen3_5("qwen3_5_2", "every second layer, biases, half of the head rotated, tied head", "qwen3_5",
        full_attention_interval=2, attention_bias=True, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0,
                         "partial_rotary_factor": 0.5})
qwen3_5("qwen3_5_3", "layer_types, one key head, three taps", "qwen3_5", linear_conv_kernel_dim=3,
        linear_num_key_heads=1, linear_num_value_heads=3, num_hidden_layers=3,
        layer_types=["full_attention", "linear_attention", "linear_attention"])
qwen3_5("qwen3_5_moe_1", "mixture of experts with a gated shared expert", "qwen3_5_moe", **MOE)
qwen3_5("qwen3_5_moe_2", "two layers, one expert active", "qwen3_5_moe", **{
    **MOE, "num_experts_per_tok": 1, "num_hidden_layers": 2, "full_attention_interval": 2})


def mamba2(n, about, **config):
    CONFIGS[f"mamba2_{n}"] = {
        "family": "mamba2", "about": about, "mlx": "mamba2", "prompt": 70,
        "config": {**dict(
            model_type="mamba2", architectures=["Mamba2ForCausalLM"], hidden_size=32,
            num_hidden_layers=3, num_heads=8, head_dim=8, state_size=16, n_groups=2, vocab_size=96,
            expand=2, conv_kernel=4, chunk_size=32, hidden_act="silu", layer_norm_epsilon=1e-5,
            use_bias=False, use_conv_bias=True, residual_in_fp32=True, rms_norm=True,
            time_step_limit=[0.0, float("inf")], time_step_rank=2, tie_word_embeddings=False),
            **config}}


mamba2(1, "two groups, open time steps")
mamba2(2, "limited time steps, projection biases, no convolution bias, tied head",
       time_step_limit=[0.05, 0.6], use_bias=True, use_conv_bias=False, tie_word_embeddings=True)
mamba2(3, "one group, three taps, other epsilon", n_groups=1, conv_kernel=3,
       layer_norm_epsilon=1e-3, num_hidden_layers=2)


# MLX checkpoints with quantized weights, for make_quantized_golden.py. `widths` is (bits, group), `modules` says
# otherwise for paths that contain a key (None: not quantized), `scales` the type of scales and biases.
QUANTIZED = {}
ABSENT = object()  # a key that the base has and the variant has not
WIDE = dict(hidden_size=64, intermediate_size=64, num_attention_heads=4, head_dim=16, vocab_size=96)


def quantized(name, base, about, widths, scales="BF16", modules=None, **config):
    entry = CONFIGS[base]
    config = {**WIDE, **config}
    absent = [k for k, v in config.items() if v is ABSENT]
    config = {k: v for k, v in {**entry["config"], **config}.items() if k not in absent}
    QUANTIZED[name] = {**entry, "mlx": entry.get("mlx") or entry["config"]["model_type"], "about": about,
                       "widths": widths, "scales": scales, "modules": modules or {}, "prompt": 40,
                       "config": config}


quantized("llama_4bit", "llama_5", "4 bits g64, embedding and head quantized", (4, 64), rope_scaling=ABSENT)
quantized("llama_8bit", "llama_2", "8 bits g32, f16 scales, tied quantized embedding", (8, 32), "F16",
          head_dim=32)
quantized("qwen2_5bit", "qwen2_1", "5 bits g32, biases on q, k and v", (5, 32), num_hidden_layers=2)
quantized("qwen3_2bit", "qwen3_1", "2 bits g128, f32 scales, tied", (2, 128), "F32", hidden_size=128,
          intermediate_size=256, head_dim=32)
quantized("qwen3_3bit", "qwen3_1", "3 bits g64, head not quantized", (3, 64), modules={"lm_head": None},
          tie_word_embeddings=False)
quantized("qwen3_mixed", "qwen3_1", "2 to 8 bits and three groups in one model, parts not quantized", (4, 64),
          modules={"q_proj": (6, 32), "k_proj": (3, 128), "v_proj": (5, 64), "o_proj": None, "gate_proj": (2, 32),
                   "up_proj": (8, 128), "down_proj": (6, 64), "embed_tokens": (8, 64)},
          hidden_size=128, intermediate_size=192, tie_word_embeddings=False)
quantized("gemma3_6bit", "gemma3_1", "6 bits g64, tied", (6, 64))
quantized("gemma3_4bit", "gemma3_3", "4 bits g32, f32 scales, head of its own", (4, 32), "F32",
          layer_types=ABSENT, rope_local_base_freq=10000.0, attn_logit_softcapping=ABSENT)
quantized("qwen3_moe_4bit", "qwen3_moe_1", "4 bits g32, stacked experts, router of 8 bits g64", (4, 32),
          moe_intermediate_size=32)
quantized("qwen3_moe_mixed", "qwen3_moe_2", "experts of 3, 5 and 6 bits, dense layers of 4", (4, 64),
          modules={"mlp.gate": (8, 64), "switch_mlp.gate_proj": (3, 64), "switch_mlp.up_proj": (5, 32),
                   "switch_mlp.down_proj": (6, 32)}, moe_intermediate_size=32)
MLA = dict(kv_lora_rank=32, q_lora_rank=64, qk_nope_head_dim=32, v_head_dim=16, moe_intermediate_size=32,
           head_dim=ABSENT)
quantized("deepseek_v3_4bit", "deepseek_v3_1", "4 bits g32, latent matrices, router float", (4, 32), **MLA)
quantized("deepseek_v3_8bit", "deepseek_v3_1", "8 bits g32, plain q projection, one group", (8, 32), "F32",
          **{**MLA, "q_lora_rank": None, "n_group": 1, "topk_group": 1})
LINEAR = dict(linear_key_head_dim=16, linear_value_head_dim=16)
quantized("qwen3_5_4bit", "qwen3_5_1", "4 bits g64, linear attention", (4, 64), **LINEAR)
quantized("qwen3_5_moe_4bit", "qwen3_5_moe_1", "4 bits g32, router and shared gate of 8 bits g64", (4, 32), "F16",
          moe_intermediate_size=32, shared_expert_intermediate_size=64, **LINEAR)
quantized("mamba2_4bit", "mamba2_3", "4 bits g32, state-space projections", (4, 32), num_heads=16,
          head_dim=8, num_attention_heads=ABSENT, intermediate_size=ABSENT, layer_norm_epsilon=1e-5)
