// Qwen3 mixture of experts (arXiv:2505.09388): normed q and k, softmax routing, no shared expert.
#include <algorithm>

#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

DecoderSpec parse(const Config& c) {
  DecoderSpec spec = read_model(c);
  Attention attention = read_attention(c, 0, {});
  attention.q_norm = attention.k_norm = spec.final_norm;
  attention.qkv_bias = attention.out_bias = c.flag("attention_bias", false);
  attention.window = read_optional_window(c);  // of every layer, whatever max_window_layers says
  c.ignore("max_window_layers");
  const char* experts_key = c.has("num_local_experts") ? "num_local_experts" : "num_experts";
  MixtureOfExperts experts = read_experts(c, experts_key);
  experts.router.renormalize = c.flag("norm_topk_prob", false);
  const int layers = c.layers("num_hidden_layers"), step = c.size("decoder_sparse_step", 1);
  const std::vector<int> dense = c.counts("mlp_only_layers");
  for (int l = 0; l < layers; ++l) {
    const bool is_dense =
        (l + 1) % step != 0 || std::find(dense.begin(), dense.end(), l) != dense.end();
    spec.layers.push_back({.mixer = attention,
                           .ffn = is_dense ? Ffn(read_mlp(c, "hidden_act")) : Ffn(experts),
                           .norm = spec.final_norm});
  }
  c.ignore("intermediate_size");  // of dense layers, of which there may be none
  return spec;
}

constexpr TensorRule kRouting[] = {{"{p}layers.{l}.mlp.gate.weight", Slot::kRouter}};

constexpr std::string_view kTypes[] = {"qwen3_moe"};
constexpr std::string_view kArchitectures[] = {"Qwen3MoeForCausalLM"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kAttentionTensors, kQkNormTensors,
                                kMlpTensors,   kExpertTensors,  kRouting};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables};

}  // namespace

extern const ModelFamily kFamily_qwen3_moe{
    .name = "qwen3_moe",
    .summary = "Qwen3 mixture of experts",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
};

}  // namespace quire::models
