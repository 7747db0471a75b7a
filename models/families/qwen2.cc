// Qwen2 and Qwen2.5 (arXiv:2407.10671): biases on q, k and v; windows on the upper layers if asked.
#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

DecoderSpec parse(const Config& c) {
  DecoderSpec spec = read_model(c);
  Attention attention = read_attention(c, 0, {});
  attention.qkv_bias = true;
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

constexpr std::string_view kTypes[] = {"qwen2"};
constexpr std::string_view kArchitectures[] = {"Qwen2ForCausalLM"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kAttentionTensors, kMlpTensors};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables};

}  // namespace

extern const ModelFamily kFamily_qwen2{
    .name = "qwen2",
    .summary = "Qwen2, Qwen2.5 and distilled R1 on Qwen2.5",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
};

}  // namespace quire::models
