// One sequence through a loaded model, without engine or cache.
#pragma once

#include <cstdint>
#include <vector>

#include "base/team.h"
#include "models/load/load.h"
#include "models/model.h"

namespace quire::testing {

// How far logits may be from the oracle's, as a share of the largest |logit| of the row.
inline constexpr double kTolerance = 2e-4;

class Runner {
 public:
  Runner(models::LoadedModel loaded, std::int64_t context,
         kernels::Arithmetic arithmetic = kernels::Arithmetic::kF32);

  // Logits [V] of each of the tokens, which follow those of earlier calls.
  std::vector<std::vector<float>> run(const std::vector<std::int32_t>& tokens);

 private:
  int vocab_;
  models::Model model_;
  Team team_;
  std::vector<std::vector<std::byte>> memory_;  // [group]
  std::vector<std::int64_t> page_bytes_;
  std::vector<std::int32_t> table_;
  std::vector<std::byte> state_;
  std::int64_t position_ = 0;
};

// The largest difference over the largest |wanted|; NaN where there is one. REQUIRES: equal sizes.
double relative_gap(const std::vector<float>& got, const std::vector<float>& wanted);

std::int32_t best_token(const std::vector<float>& logits);

}  // namespace quire::testing
