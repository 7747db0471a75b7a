// How long a step takes, learned from the steps so far.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace quire::scheduler {

// What a step does, as far as its time depends on it.
struct StepLoad {
  std::int64_t decode_rows = 0;     // drafts included
  std::int64_t prefill_tokens = 0;  // rows of chunks
  double context_tokens = 0;        // tokens that attention reads, summed over the rows

  void add_decode(std::int64_t position, std::int64_t rows);
  void add_prefill(std::int64_t position, std::int64_t rows);
};

// seconds = a + b * decode_rows + c * prefill_tokens + d * context_tokens, all coefficients >= 0.
// Least squares on relative errors with exponential forgetting, drawn weakly to a prior, so that it
// is defined before the first step and when a term was never seen. A step that took more than four
// times the prediction counts as four times, so that one page-fault storm does not ruin the fit;
// after three steps in a row that were off by more than a factor of two the past is dropped fast.
class CostModel {
 public:
  CostModel();

  double predict_seconds(const StepLoad& load) const;
  // Steps without rows are ignored.
  void observe(const StepLoad& load, Time elapsed);

  // Of `tokens` prefill tokens from `position` on, how many fit into `seconds`.
  std::int64_t tokens_within(double seconds, std::int64_t position, std::int64_t tokens) const;

 private:
  static constexpr int kTerms = 4;
  using Terms = std::array<double, kTerms>;

  static Terms terms(const StepLoad& load);
  void solve();

  std::array<Terms, kTerms> normal_ = {};  // sum of weighted x x^T
  Terms moment_ = {};                      // sum of weighted x y
  Terms coefficients_;
  int observed_ = 0, surprises_ = 0;
};

}  // namespace quire::scheduler
