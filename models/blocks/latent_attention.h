// Multi-head latent attention (arXiv:2405.04434, section 2.1) in the absorbed form at every length:
// one order of sums for prefill and decode, and a cache of one latent per token.
#pragma once

#include <vector>

#include "models/blocks/linear.h"
#include "models/blocks/norm.h"
#include "models/blocks/paged_attention.h"

namespace quire::models {

class LatentAttentionBlock {
 public:
  LatentAttentionBlock(const LatentAttention& spec, const BlockSite& site);
  void carve(Carver& carver);
  // y (set or add) attention of its input; y [T, D]. Writes the step's latents.
  void forward(const Step& step, const BlockInput& in, const TensorView& y,
               kernels::Store store) const;

 private:
  void place_rows(const Step& step, const RowBlock& block) const;
  void absorb(const Step& step) const;
  void expand(const Step& step) const;

  LatentAttention spec_;
  BlockSite site_;
  Linear q_down_, q_, kv_down_, o_;  // q_ reads the query latent, or x when q_rank is 0
  LinearInputs in_, q_latent_in_, values_in_;
  BoundNorm q_norm_, kv_norm_;
  std::vector<Linear> key_up_, value_up_;  // [H], read f32
  PagedAttention attention_;
  Rows q_latent_;   // [T, q]
  Rows projected_;  // [T, H, n + o]
  Rows latents_;    // [T, r + o]: what a page holds
  Rows queries_;    // [T, H, r + o]
  Rows mixed_;      // [T, H, r]
  Rows values_;     // [T, H, v]
};

}  // namespace quire::models
