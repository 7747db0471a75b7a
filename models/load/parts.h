// The parts of a config that families share: sizes, rotary embedding, attention, MLP, layer kinds.
#pragma once

#include <string_view>
#include <vector>

#include "models/load/config.h"
#include "models/spec.h"

namespace quire::models {

inline constexpr NumberRange kEpsRange = {0, 1};
inline constexpr NumberRange kThetaRange = {1, 1e15};
inline constexpr NumberRange kFactorRange = {1e-6, 1e6};  // multipliers and divisors

// hidden, vocab, positions_max, final_norm and tied_head by their usual keys. Where the file does
// not say whether the head is tied, it is tied unless it has a tensor (see bind.h).
DecoderSpec read_model(const Config& c);

// The part of a wrapper of several modalities that speaks of text: text_config, else the config
// itself. Keys of the other modalities are read as known.
Config read_text_config(const Config& c);

// RMS with the epsilon of `key`.
Norm read_rms_norm(const Config& c, std::string_view key, double fallback);

Activation read_activation(const Config& c, std::string_view key, std::string_view fallback);

// Which rope_parameters belong to which layers, and what holds when the file is silent.
struct RopeKeys {
  std::string_view layer_type = "full_attention";  // where rope_parameters go by layer type
  std::string_view theta_key = "rope_theta";       // of the old style
  double theta = 10000;
  double partial = 1;       // share of the width that is rotated
  bool has_scaling = true;  // false: rope_scaling of the old style is not for these layers
  bool multimodal = false;  // mrope keys may stand there; for text they change nothing
};
// Old style (rope_theta, rope_scaling) and Transformers 5 style (rope_parameters, flat or by layer
// type) alike. `width`: of the vector whose first part is rotated.
Rope read_rope(const Config& c, int width, const RopeKeys& keys);

// What latent attention multiplies onto its score scale: (0.1 * mscale_all_dim * ln(factor) + 1)^2.
double read_yarn_score_scale(const Config& c);

// Sizes, score scale and rope of grouped-query attention; `head_dim` 0: hidden / heads.
Attention read_attention(const Config& c, int head_dim, const RopeKeys& keys);

// The window of layers that use_sliding_window turns on; 0: none.
std::int64_t read_optional_window(const Config& c);

// intermediate_size and the activation of `act_key`.
GatedMlp read_mlp(const Config& c, std::string_view act_key);

// num_experts_per_tok of the `key` experts, each moe_intermediate_size wide, chosen by softmax.
MixtureOfExperts read_experts(const Config& c, std::string_view key);

// layer_types: one of `kinds` for each layer, as an index into `kinds`. Absent: all -1.
std::vector<int> read_layer_types(const Config& c, int layers,
                                  std::initializer_list<std::string_view> kinds);

}  // namespace quire::models
