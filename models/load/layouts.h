// Tensor names that many families share.
#pragma once

#include "models/family.h"

namespace quire::models {

// Embedding, final norm and head.
extern const TensorRules kModelTensors;
// input_layernorm before the mixer, post_attention_layernorm before the MLP.
extern const TensorRules kPreNormTensors;
// q, k, v and o projections of self_attn, with and without bias.
extern const TensorRules kAttentionTensors;
// q_norm and k_norm of self_attn.
extern const TensorRules kQkNormTensors;
// gate, up and down projections of mlp, with and without bias.
extern const TensorRules kMlpTensors;
// mlp.experts: one tensor for each expert, all experts stacked, or gate and up fused as well.
extern const TensorRules kExpertTensors;

// model., and what wrappers of several modalities put there.
extern const std::span<const std::string_view> kTextPrefixes;

// Rotary tables that old exports carry.
inline constexpr IgnoredTensors kRotaryTables = {"*rotary_emb.inv_freq", "rotary tables"};

}  // namespace quire::models
