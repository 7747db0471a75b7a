// Qwen3.5, dense and mixture of experts: three layers of the gated delta rule (arXiv:2412.06464) to
// one of gated attention. Text, also of the wrapper with a vision tower.
#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

GatedDelta parse_delta(const Config& c) {
  GatedDelta delta{.key_heads = c.size("linear_num_key_heads", 16),
                   .value_heads = c.size("linear_num_value_heads", 32),
                   .key_dim = c.size("linear_key_head_dim", 128),
                   .value_dim = c.size("linear_value_head_dim", 128),
                   .conv_taps = c.size("linear_conv_kernel_dim", 4),
                   .gated_norm = read_rms_norm(c, "rms_norm_eps", 1e-6)};
  c.require(delta.value_heads % delta.key_heads == 0, "linear_num_value_heads",
            "{} is not a multiple of linear_num_key_heads {}", delta.value_heads, delta.key_heads);
  c.width("linear_num_key_heads", std::int64_t{2} * delta.key_heads * delta.key_dim);
  c.width("linear_num_value_heads", std::int64_t{delta.value_heads} * delta.value_dim);
  c.require(c.word("hidden_act", "silu") == "silu", "hidden_act", "must be silu");
  c.ignore("mamba_ssm_dtype");  // states are f32 here
  return delta;
}

Attention parse_attention(const Config& c, const Norm& norm) {
  Attention attention = read_attention(c, 256, {.partial = 0.25, .multimodal = true});
  attention.q_norm = attention.k_norm = norm;
  attention.qkv_bias = attention.out_bias = c.flag("attention_bias", false);
  attention.output_gate = true;
  c.require(c.flag("attn_output_gate", true), "attn_output_gate", "must be true");
  return attention;
}

Ffn parse_ffn(const Config& c) {
  if (c.count("num_experts", 0) == 0) return read_mlp(c, "hidden_act");
  MixtureOfExperts moe = read_experts(c, "num_experts");
  moe.shared_inner = c.size("shared_expert_intermediate_size");
  moe.shared_gate = true;
  moe.router.renormalize = true;
  c.require(c.flag("norm_topk_prob", true), "norm_topk_prob", "must be true");
  c.require(c.size("decoder_sparse_step", 1) == 1, "decoder_sparse_step", "must be 1");
  c.require(c.counts("mlp_only_layers").empty(), "mlp_only_layers", "must be empty");
  c.ignore("intermediate_size");  // of a dense model
  return moe;
}

DecoderSpec parse(const Config& root) {
  const Config c = read_text_config(root);
  DecoderSpec spec = read_model(c);
  spec.tied_head = root.flag("tie_word_embeddings", spec.tied_head);
  spec.final_norm.weight_offset = 1;
  const GatedDelta delta = parse_delta(c);
  const Attention attention = parse_attention(c, spec.final_norm);
  const Ffn ffn = parse_ffn(c);
  const int layers = c.layers("num_hidden_layers"), period = c.size("full_attention_interval", 4);
  const std::vector<int> types =
      read_layer_types(c, layers, {"full_attention", "linear_attention"});
  for (int l = 0; l < layers; ++l) {
    const int type = types[static_cast<std::size_t>(l)];
    const bool is_linear = type < 0 ? (l + 1) % period != 0 : type == 1;
    spec.layers.push_back({.mixer = is_linear ? Mixer(delta) : Mixer(attention),
                           .ffn = ffn,
                           .norm = spec.final_norm});
  }
  for (const char* key : {"mtp_num_hidden_layers", "mtp_use_dedicated_embeddings"}) c.ignore(key);
  return spec;
}

constexpr TensorRule kDelta[] = {
    {"{p}layers.{l}.linear_attn.in_proj_qkv.weight", Slot::kDeltaQkv},
    {"{p}layers.{l}.linear_attn.in_proj_z.weight", Slot::kDeltaZ},
    {"{p}layers.{l}.linear_attn.in_proj_b.weight", Slot::kDeltaB},
    {"{p}layers.{l}.linear_attn.in_proj_a.weight", Slot::kDeltaA},
    {"{p}layers.{l}.linear_attn.conv1d.weight", Slot::kConv, TensorForm::kConv},
    {"{p}layers.{l}.linear_attn.A_log", Slot::kALog},
    {"{p}layers.{l}.linear_attn.dt_bias", Slot::kDtBias},
    {"{p}layers.{l}.linear_attn.norm.weight", Slot::kGatedNorm},
    {"{p}layers.{l}.linear_attn.out_proj.weight", Slot::kSsmOut},
};
constexpr TensorRule kRouting[] = {
    {"{p}layers.{l}.mlp.gate.weight", Slot::kRouter},
    {"{p}layers.{l}.mlp.shared_expert.gate_proj.weight", Slot::kSharedGate},
    {"{p}layers.{l}.mlp.shared_expert.up_proj.weight", Slot::kSharedUp},
    {"{p}layers.{l}.mlp.shared_expert.down_proj.weight", Slot::kSharedDown},
    {"{p}layers.{l}.mlp.shared_expert_gate.weight", Slot::kSharedRouter},
};

constexpr std::string_view kTypes[] = {"qwen3_5", "qwen3_5_text", "qwen3_5_moe",
                                       "qwen3_5_moe_text"};
constexpr std::string_view kArchitectures[] = {
    "Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForCausalLM",
    "Qwen3_5MoeForConditionalGeneration"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kAttentionTensors, kQkNormTensors,
                                kDelta,        kMlpTensors,     kExpertTensors,    kRouting};
constexpr IgnoredTensors kIgnored[] = {{"mtp.*", "multi-token prediction layers"},
                                       {"*.mtp.*", "multi-token prediction layers"},
                                       {"model.visual.*", "vision tower"},
                                       {"vision_tower.*", "vision tower"}};

}  // namespace

extern const ModelFamily kFamily_qwen3_5{
    .name = "qwen3_5",
    .summary = "Qwen3.5 and 3.6, dense and mixture of experts, text",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
    .mlx_adds_offset = true,
};

}  // namespace quire::models
