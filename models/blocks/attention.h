// Grouped-query attention: projections, per-head norms, rope, pages, output gate.
#pragma once

#include "models/blocks/linear.h"
#include "models/blocks/norm.h"
#include "models/blocks/paged_attention.h"

namespace quire::models {

class AttentionBlock {
 public:
  AttentionBlock(const Attention& spec, const BlockSite& site);
  void carve(Carver& carver);
  // y (set or add) attention of its input; y [T, D]. Writes the step's keys and values.
  void forward(const Step& step, const BlockInput& in, const TensorView& y,
               kernels::Store store) const;

 private:
  void place_rows(const Step& step, const RowBlock& block) const;
  void gate_rows(const Step& step) const;

  Attention spec_;
  BlockSite site_;
  std::int64_t q_width_, kv_width_;
  Linear q_, k_, v_, o_;
  LinearInputs in_, mixed_in_;
  BoundNorm q_norm_, k_norm_;
  PagedAttention attention_;
  Rows projected_;  // [T, H*E], or [T, H, 2, E] with the output gate
  Rows queries_;    // [T, H*E]; the same as projected_ without the gate
  Rows keys_, values_;
  Rows mixed_;  // [T, H*E]
};

}  // namespace quire::models
