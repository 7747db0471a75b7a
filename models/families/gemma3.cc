// Gemma 3 (arXiv:2503.19786): sandwich norms stored as w - 1, normed q and k, five windowed layers
// to one global, each kind with its own rope. Text, also of the wrapper with a vision tower.
#include <cmath>

#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

// Published wrapper configs leave out what equals the class's default.
constexpr KeyDefault kDefaults[] = {
    {"vocab_size", 262'208},        {"num_attention_heads", 8},          {"num_hidden_layers", 26},
    {"hidden_size", 2304},          {"intermediate_size", 9216},         {"sliding_window", 4096},
    {"query_pre_attn_scalar", 256}, {"max_position_embeddings", 131'072}};

DecoderSpec parse(const Config& root) {
  const Config c = read_text_config(root).with_defaults(kDefaults);
  DecoderSpec spec = read_model(c);
  spec.tied_head = root.flag("tie_word_embeddings", spec.tied_head);
  spec.embed_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.logit_softcap = static_cast<float>(c.number("final_logit_softcapping", {0, 1e6}, 0));
  spec.final_norm.weight_offset = 1;

  Attention global = read_attention(c, 256, {.theta = 1e6});
  if (!c.has("num_key_value_heads")) global.kv_heads = 4;
  c.require(global.heads % global.kv_heads == 0, "num_attention_heads",
            "{} is not a multiple of num_key_value_heads {}", global.heads, global.kv_heads);
  global.q_norm = global.k_norm = spec.final_norm;
  global.qkv_bias = global.out_bias = c.flag("attention_bias", false);
  global.scale = 1 / std::sqrt(static_cast<float>(c.size("query_pre_attn_scalar")));
  Attention local = global;
  local.window = c.tokens("sliding_window");
  local.rope = read_rope(c, local.head_dim,
                         {.layer_type = "sliding_attention",
                          .theta_key = "rope_local_base_freq",
                          .has_scaling = false});
  if (c.flag("use_bidirectional_attention", false)) {
    c.unsupported("use_bidirectional_attention", "only causal attention is supported");
  }
  c.ignore("attn_logit_softcapping");  // Gemma 3 has none; Transformers ignores the key as well

  const int layers = c.layers("num_hidden_layers"), period = c.size("sliding_window_pattern", 6);
  c.ignore("_sliding_window_pattern");  // stands beside the layer_types that follow from it
  const std::vector<int> types =
      read_layer_types(c, layers, {"full_attention", "sliding_attention"});
  for (int l = 0; l < layers; ++l) {
    const int type = types[static_cast<std::size_t>(l)];
    const bool is_local = type < 0 ? (l + 1) % period != 0 : type == 1;
    spec.layers.push_back({.mixer = is_local ? local : global,
                           .ffn = GatedMlp{.inner = c.size("intermediate_size"),
                                           .activation = read_activation(c, "hidden_activation",
                                                                         "gelu_pytorch_tanh")},
                           .residual = Residual::kSandwich,
                           .norm = spec.final_norm});
  }
  return spec;
}

constexpr TensorRule kNorms[] = {
    {"{p}layers.{l}.input_layernorm.weight", Slot::kMixerNorm},
    {"{p}layers.{l}.post_attention_layernorm.weight", Slot::kMixerPostNorm},
    {"{p}layers.{l}.pre_feedforward_layernorm.weight", Slot::kFfnNorm},
    {"{p}layers.{l}.post_feedforward_layernorm.weight", Slot::kFfnPostNorm},
};

constexpr std::string_view kTypes[] = {"gemma3_text", "gemma3"};
constexpr std::string_view kArchitectures[] = {"Gemma3ForCausalLM",
                                               "Gemma3ForConditionalGeneration"};
const TensorRules kTensors[] = {kModelTensors, kNorms, kAttentionTensors, kQkNormTensors,
                                kMlpTensors};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables,
                                       {"*vision_tower.*", "vision tower"},
                                       {"*multi_modal_projector.*", "vision projector"}};

}  // namespace

extern const ModelFamily kFamily_gemma3{
    .name = "gemma3",
    .summary = "Gemma 3, text (also the text part of the vision models)",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
};

}  // namespace quire::models
