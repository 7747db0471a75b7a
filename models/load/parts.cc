// Shared parsing of Hugging Face configs. Formulas of the rope variants: docs/shapes.md.
#include "models/load/parts.h"

#include <algorithm>
#include <cmath>

namespace quire::models {
namespace {

double yarn_gain(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// The object with the scaling keys: rope_parameters (of the layer type), else rope_scaling.
Config rope_object(const Config& c, const RopeKeys& keys) {
  const Config modern = c.object("rope_parameters");
  const Config old = c.object("rope_scaling");
  if (!modern.present()) return keys.has_scaling ? old : c.none();
  c.require(!old.present(), "rope_scaling", "must not stand beside rope_parameters");
  const bool by_type = modern.has("full_attention") || modern.has("sliding_attention");
  return by_type ? modern.object(keys.layer_type) : modern;
}

// A key that may stand in the rope object or, in old files, beside it.
double rope_number(const Config& c, const Config& rope, std::string_view key,
                   std::string_view old_key, NumberRange range, double fallback) {
  const double outer = c.number(old_key, range, fallback);
  const double inner = rope.number(key, range, outer);
  c.require(!c.has(old_key) || inner == outer, old_key, "is {}, but the rope object says {}", outer,
            inner);
  return inner;
}

std::int64_t original_positions(const Config& c, const Config& rope) {
  const std::int64_t outer = c.tokens("original_max_position_embeddings",
                                      rope.tokens("original_max_position_embeddings", 0));
  return outer != 0 ? outer : c.tokens("max_position_embeddings");
}

RopeYarn read_yarn(const Config& c, const Config& rope) {
  RopeYarn yarn;
  yarn.original_positions = original_positions(c, rope);
  const double implied = static_cast<double>(c.tokens("max_position_embeddings")) /
                         static_cast<double>(yarn.original_positions);
  const double factor = rope.number("factor", kFactorRange, implied);
  const double mscale = rope.number("mscale", {0, 1e6}, 0);
  const double mscale_all = rope.number("mscale_all_dim", {0, 1e6}, 0);
  const double gain = mscale != 0 && mscale_all != 0
                          ? yarn_gain(factor, mscale) / yarn_gain(factor, mscale_all)
                          : yarn_gain(factor, 1);
  yarn.factor = static_cast<float>(factor);
  yarn.amplitude = static_cast<float>(rope.number("attention_factor", {0, 1e6}, gain));
  const double fast = rope.number("beta_fast", {0, 1e6}, 32);
  const double slow = rope.number("beta_slow", {0, 1e6}, 1);
  yarn.beta_fast = static_cast<float>(fast == 0 ? 32 : fast);
  yarn.beta_slow = static_cast<float>(slow == 0 ? 1 : slow);
  rope.require(yarn.beta_fast >= yarn.beta_slow, "beta_fast", "{} is below beta_slow {}",
               yarn.beta_fast, yarn.beta_slow);
  yarn.truncate = rope.flag("truncate", true);
  return yarn;
}

RopeLlama3 read_llama3(const Config& c, const Config& rope) {
  RopeLlama3 llama3;
  llama3.factor = static_cast<float>(rope.number("factor", kFactorRange));
  llama3.low_freq_factor = static_cast<float>(rope.number("low_freq_factor", kFactorRange));
  llama3.high_freq_factor = static_cast<float>(rope.number("high_freq_factor", kFactorRange));
  llama3.original_positions = original_positions(c, rope);
  rope.require(llama3.high_freq_factor > llama3.low_freq_factor, "high_freq_factor",
               "{} is not above low_freq_factor {}", llama3.high_freq_factor,
               llama3.low_freq_factor);
  return llama3;
}

RopeLong read_long(const Config& c, const Config& rope, int dims) {
  RopeLong scaling;
  scaling.original_positions = original_positions(c, rope);
  const auto original = static_cast<double>(scaling.original_positions);
  const auto read_list = [&](std::string_view key) {
    const std::vector<double> list = rope.numbers(key, kFactorRange);
    rope.require(list.size() == static_cast<std::size_t>(dims / 2), key,
                 "must have {} numbers, one for each rotated pair, got {}", dims / 2, list.size());
    return std::vector<float>(list.begin(), list.end());
  };
  scaling.short_factor = read_list("short_factor");
  scaling.long_factor = read_list("long_factor");
  const double implied = static_cast<double>(c.tokens("max_position_embeddings")) / original;
  const double factor = rope.number("factor", kFactorRange, implied);
  rope.require(factor <= 1 || original > 1, "original_max_position_embeddings",
               "must be above 1, got {}", original);
  const double gain = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
  scaling.amplitude = static_cast<float>(rope.number("attention_factor", {0, 1e6}, gain));
  return scaling;
}

RopeScaling read_scaling(const Config& c, const Config& rope, const RopeKeys& keys, int dims) {
  std::string kind = rope.word("rope_type", rope.word("type", "default"));
  rope.ignore("type");  // the older name of rope_type, which wins
  if (kind == "mrope" && keys.multimodal) kind = "default";
  if (kind == "default") return {};
  if (kind == "linear") return RopeLinear{static_cast<float>(rope.number("factor", kFactorRange))};
  if (kind == "dynamic") {
    return RopeDynamic{static_cast<float>(rope.number("factor", {1, 1e6})),
                       c.tokens("max_position_embeddings")};
  }
  if (kind == "llama3") return read_llama3(c, rope);
  if (kind == "yarn" || kind == "deepseek_yarn") return read_yarn(c, rope);
  if (kind == "longrope" || kind == "su") return read_long(c, rope, dims);
  rope.unsupported("rope_type", fmt::format("\"{}\" is not supported", kind));
  return {};
}

}  // namespace

Norm read_rms_norm(const Config& c, std::string_view key, double fallback) {
  return {.kind = Norm::Kind::kRms, .eps = static_cast<float>(c.number(key, kEpsRange, fallback))};
}

DecoderSpec read_model(const Config& c) {
  DecoderSpec spec;
  spec.hidden = c.size("hidden_size");
  spec.vocab = c.size("vocab_size");
  spec.positions_max = c.tokens("max_position_embeddings");
  spec.final_norm = read_rms_norm(c, "rms_norm_eps", 1e-6);
  spec.tied_head = c.flag("tie_word_embeddings", true);
  return spec;
}

Config read_text_config(const Config& c) {
  if (!c.has("text_config")) return c;
  for (const char* key :
       {"vision_config", "audio_config", "image_token_id", "image_token_index", "video_token_id",
        "vision_start_token_id", "vision_end_token_id", "boi_token_index", "eoi_token_index",
        "mm_tokens_per_image", "language_model_only"}) {
    c.ignore(key);
  }
  return c.object("text_config");
}

Activation read_activation(const Config& c, std::string_view key, std::string_view fallback) {
  const std::string word = c.word(key, fallback);
  if (word == "silu" || word == "swish") return Activation::kSilu;
  if (word == "gelu_pytorch_tanh" || word == "gelu_new") return Activation::kGeluTanh;
  if (word == "gelu") return Activation::kGeluErf;
  if (word == "relu") return Activation::kRelu;
  if (word == "relu2") return Activation::kRelu2;
  c.unsupported(key, fmt::format("activation \"{}\" is not supported", word));
  return Activation::kSilu;
}

Rope read_rope(const Config& c, int width, const RopeKeys& keys) {
  const Config object = rope_object(c, keys);
  Rope rope;
  rope.theta = rope_number(c, object, "rope_theta", keys.theta_key, kThetaRange, keys.theta);
  const double partial = rope_number(c, object, "partial_rotary_factor", "partial_rotary_factor",
                                     {0, 1}, keys.partial);
  rope.dims = static_cast<int>(width * partial);
  c.require(rope.dims >= 2 && rope.dims % 2 == 0, "partial_rotary_factor",
            "rotates {} of {} dimensions, which must be even and above 0", rope.dims, width);
  rope.scaling = read_scaling(c, object, keys, rope.dims);
  if (keys.multimodal) {
    object.ignore("mrope_section");
    object.ignore("mrope_interleaved");
  }
  return rope;
}

double read_yarn_score_scale(const Config& c) {
  const Config rope = rope_object(c, {});
  const double mscale = rope.number("mscale_all_dim", {0, 1e6}, 0);
  if (mscale == 0 || rope.word("rope_type", rope.word("type", "default")) == "default") return 1;
  const double gain = yarn_gain(rope.number("factor", kFactorRange), mscale);
  return gain * gain;
}

Attention read_attention(const Config& c, int head_dim, const RopeKeys& keys) {
  Attention attention;
  const int hidden = c.size("hidden_size");
  attention.heads = c.size("num_attention_heads");
  attention.kv_heads = c.size("num_key_value_heads", attention.heads);
  c.require(attention.heads % attention.kv_heads == 0, "num_attention_heads",
            "{} is not a multiple of num_key_value_heads {}", attention.heads, attention.kv_heads);
  if (head_dim == 0 && !c.has("head_dim")) {
    c.require(hidden % attention.heads == 0, "hidden_size",
              "{} is not a multiple of num_attention_heads {}", hidden, attention.heads);
    head_dim = std::max(1, hidden / attention.heads);
  }
  attention.head_dim = c.size("head_dim", head_dim);
  c.require(attention.head_dim % 2 == 0, "head_dim", "must be even, got {}", attention.head_dim);
  c.width("num_attention_heads", std::int64_t{2} * attention.heads * attention.head_dim);
  attention.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(attention.head_dim)));
  attention.rope = read_rope(c, attention.head_dim, keys);
  return attention;
}

std::int64_t read_optional_window(const Config& c) {
  const bool is_used = c.flag("use_sliding_window", false);
  const std::int64_t window = c.is_null("sliding_window") ? 0 : c.tokens("sliding_window", 4096);
  return is_used ? window : 0;
}

GatedMlp read_mlp(const Config& c, std::string_view act_key) {
  return {.inner = c.size("intermediate_size"), .activation = read_activation(c, act_key, "silu")};
}

MixtureOfExperts read_experts(const Config& c, std::string_view key) {
  MixtureOfExperts moe;
  const int experts = moe.experts = c.size(key);
  moe.active = c.size("num_experts_per_tok");
  moe.inner = c.size("moe_intermediate_size");
  moe.activation = read_activation(c, "hidden_act", "silu");
  c.require(moe.active <= experts, "num_experts_per_tok", "{} exceeds {} {}", moe.active, key,
            experts);
  return moe;
}

std::vector<int> read_layer_types(const Config& c, int layers,
                                  std::initializer_list<std::string_view> kinds) {
  std::vector<int> types(static_cast<std::size_t>(layers), -1);
  if (!c.has("layer_types")) return types;
  const std::vector<std::string> words = c.words("layer_types");
  c.require(words.size() == types.size(), "layer_types", "has {} entries, num_hidden_layers is {}",
            words.size(), layers);
  for (std::size_t l = 0; l < std::min(words.size(), types.size()); ++l) {
    const auto* at = std::find(kinds.begin(), kinds.end(), words[l]);
    types[l] = at == kinds.end() ? 0 : static_cast<int>(at - kinds.begin());
    c.require(at != kinds.end(), "layer_types", "has the unknown kind \"{}\" at {}", words[l], l);
  }
  return types;
}

}  // namespace quire::models
