// Qwen3 dense (arXiv:2505.09388): RMS norm on every head of q and k, no biases unless asked.
#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

DecoderSpec parse(const Config& c) {
  DecoderSpec spec = read_model(c);
  Attention attention = read_attention(c, 128, {});
  attention.q_norm = attention.k_norm = spec.final_norm;
  attention.qkv_bias = attention.out_bias = c.flag("attention_bias", false);
  const std::int64_t window = read_optional_window(c);
  const int layers = c.layers("num_hidden_layers"),
            first_windowed = c.count("max_window_layers", 28);
  const std::vector<int> types =
      read_layer_types(c, layers, {"full_attention", "sliding_attention"});
  for (int l = 0; l < layers; ++l) {
    const int type = types[static_cast<std::size_t>(l)];
    const bool is_windowed = type < 0 ? l >= first_windowed : type == 1;
    attention.window = is_windowed ? window : 0;
    spec.layers.push_back(
        {.mixer = attention, .ffn = read_mlp(c, "hidden_act"), .norm = spec.final_norm});
  }
  return spec;
}

constexpr std::string_view kTypes[] = {"qwen3"};
constexpr std::string_view kArchitectures[] = {"Qwen3ForCausalLM"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kAttentionTensors, kQkNormTensors,
                                kMlpTensors};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables};

}  // namespace

extern const ModelFamily kFamily_qwen3{
    .name = "qwen3",
    .summary = "Qwen3 dense",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
};

}  // namespace quire::models
