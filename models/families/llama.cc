// Llama 1 to 3 (arXiv:2407.21783) and everything that ships under its name.
#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

DecoderSpec parse(const Config& c) {
  DecoderSpec spec = read_model(c);
  Attention attention = read_attention(c, 0, {});
  attention.qkv_bias = attention.out_bias = c.flag("attention_bias", false);
  GatedMlp mlp = read_mlp(c, "hidden_act");
  mlp.bias = c.flag("mlp_bias", false);
  const Layer layer{.mixer = attention, .ffn = mlp, .norm = spec.final_norm};
  spec.layers.assign(static_cast<std::size_t>(c.layers("num_hidden_layers")), layer);
  return spec;
}

constexpr std::string_view kTypes[] = {"llama"};
constexpr std::string_view kArchitectures[] = {"LlamaForCausalLM", "LLaMAForCausalLM"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kAttentionTensors, kMlpTensors};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables};

}  // namespace

extern const ModelFamily kFamily_llama{
    .name = "llama",
    .summary = "Llama 1 to 3 and models that ship as llama (SmolLM, Yi, distilled R1 ...)",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
};

}  // namespace quire::models
