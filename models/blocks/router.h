// Which experts a token goes to, and with what weight: plain code over one row of logits.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernels.h"
#include "models/spec.h"

namespace quire::models {

struct RouterRow {
  std::span<float> scores;      // [X], in: logits, out: scores
  std::span<float> ranks;       // [X], scratch: what the choice goes by
  std::span<std::int32_t> ids;  // [A], out: the chosen experts, ascending
  std::span<float> weights;     // [A], out: in the order of ids
};

// Chooses ids.size() experts. bias: [X] or null. Among equal ranks the lower expert wins; a NaN
// rank loses against every number, so that the choice is always made of distinct experts.
void choose_experts(const Router& router, const kernels::Kernels& kernels, const float* bias,
                    const RouterRow& row);

}  // namespace quire::models
