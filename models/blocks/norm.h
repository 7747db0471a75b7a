// Normalisation with its weights, over rows, and the residual additions that go with it.
#pragma once

#include "models/blocks/step.h"

namespace quire::models {

// The norm of a spec bound to its weights. Without any (Kind::kNone) rows are copied.
struct BoundNorm {
  Norm spec;
  std::int64_t width = 0;
  std::int64_t groups = 1;  // each width / groups elements on their own
  const float* weight = nullptr;
  const float* bias = nullptr;
};
BoundNorm bind_norm(const Norm& norm, std::int64_t width, const Weights& weights, int layer,
                    Slot weight);
// The same, with the bias slot of norms that may have one.
BoundNorm bind_norm(const BoundNorm& norm, const Weights& weights, int layer, Slot bias);

// What a block reads: x, or norm(x), which the block's first region writes to `normed`.
struct BlockInput {
  TensorView x;  // [T, D]
  const BoundNorm* norm = nullptr;
  TensorView normed = {};  // [T, D]

  const TensorView& read() const { return norm == nullptr ? x : normed; }
};

// y = norm(x); y may be x. Runs on the calling thread.
void apply_norm(const kernels::Kernels& kernels, const BoundNorm& norm, Rows x, Rows y,
                std::int64_t rows);

// y += norm(x), over the team; x is overwritten. x, y [T, D].
void run_norm_add(const Step& step, const BoundNorm& norm, const TensorView& x,
                  const TensorView& y);

}  // namespace quire::models
