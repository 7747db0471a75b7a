// Mistral 7B (arXiv:2310.06825), Nemo and Small: no biases, and one window for all layers.
#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

DecoderSpec parse(const Config& c) {
  DecoderSpec spec = read_model(c);
  Attention attention = read_attention(c, 0, {});
  attention.window = c.is_null("sliding_window") ? 0 : c.tokens("sliding_window", 4096);
  const Layer layer{.mixer = attention, .ffn = read_mlp(c, "hidden_act"), .norm = spec.final_norm};
  spec.layers.assign(static_cast<std::size_t>(c.layers("num_hidden_layers")), layer);
  return spec;
}

constexpr std::string_view kTypes[] = {"mistral"};
constexpr std::string_view kArchitectures[] = {"MistralForCausalLM"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kAttentionTensors, kMlpTensors};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables};

}  // namespace

extern const ModelFamily kFamily_mistral{
    .name = "mistral",
    .summary = "Mistral 7B, Nemo and Small, with and without a sliding window",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
};

}  // namespace quire::models
