// Mamba-2 (arXiv:2405.21060): short convolution, selective state space, gated norm.
#pragma once

#include <vector>

#include "models/blocks/linear.h"
#include "models/blocks/norm.h"
#include "models/blocks/recurrence.h"

namespace quire::models {

class Mamba2Block {
 public:
  Mamba2Block(const Mamba2& spec, const BlockSite& site);
  void carve(Carver& carver);
  // y (set or add) mixer of its input; y [T, D]. Advances the states of the step's sequences.
  void forward(const Step& step, const BlockInput& in, const TensorView& y,
               kernels::Store store) const;

 private:
  void scan_head(const Step& step, const SequenceInput& sequence, std::int64_t head) const;
  void gate_rows(const Step& step) const;

  Mamba2 spec_;
  BlockSite site_;
  Linear in_, out_;
  LinearInputs inputs_, mixed_in_;
  ShortConv conv_;
  BoundNorm norm_;
  std::vector<float> a_;  // [h]: -exp(A_log)
  const float* d_;        // [h]
  const float* dt_bias_;  // [h]
  Rows projected_;        // [T, i + c + h]: z, convolution inputs, dt
  Rows convolved_;        // [T, c]: x, B, C
  Rows dt_, decay_;       // [T, h]
  Rows mixed_;            // [T, i]
};

}  // namespace quire::models
