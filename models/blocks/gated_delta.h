// Gated delta rule (arXiv:2412.06464): short convolution over [q | k | v], delta rule, gated norm.
#pragma once

#include <vector>

#include "models/blocks/linear.h"
#include "models/blocks/norm.h"
#include "models/blocks/recurrence.h"

namespace quire::models {

class GatedDeltaBlock {
 public:
  GatedDeltaBlock(const GatedDelta& spec, const BlockSite& site);
  void carve(Carver& carver);
  // y (set or add) mixer of its input; y [T, D]. Advances the states of the step's sequences.
  void forward(const Step& step, const BlockInput& in, const TensorView& y,
               kernels::Store store) const;

 private:
  void normalize_rows(const Step& step) const;
  void scan_head(const Step& step, const SequenceInput& sequence, std::int64_t head) const;
  void gate_rows(const Step& step) const;

  GatedDelta spec_;
  BlockSite site_;
  Linear qkv_, z_, b_, a_, out_;
  LinearInputs in_, mixed_in_;
  ShortConv conv_;
  BoundNorm norm_;
  std::vector<float> rate_;  // [h]: exp(A_log)
  const float* dt_bias_;     // [h]
  Rows projected_;           // [T, c]
  Rows convolved_;           // [T, c]: q, k, v
  Rows gate_;                // [T, h*v]
  Rows beta_, decay_;        // [T, h]; first the raw projections b and a
  Rows mixed_;               // [T, h*v]
};

}  // namespace quire::models
