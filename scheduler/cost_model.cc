// Weighted least squares with four terms, kept non-negative by dropping terms.
#include "scheduler/cost_model.h"

#include <algorithm>
#include <cmath>

namespace quire::scheduler {
namespace {

constexpr double kContextScale = 1024;  // context terms are counted in 1024 tokens
constexpr double kForget = 0.97;        // weight of the past: about 33 steps
constexpr double kForgetFast = 0.5;     // once the past has been wrong kSurprises times in a row
constexpr int kSurprises = 3;           // steps off by more than a factor of two
constexpr double kPriorWeight = 1e-5;   // of a step's
constexpr double kOutlier = 4;          // times the prediction
constexpr int kTrusted = 8;             // steps before outliers are cut
// Seconds: of a step, a decode row, a prefill token, 1024 context tokens.
constexpr std::array<double, 4> kPrior = {1e-3, 1e-3, 1e-3, 1e-4};

double context_sum(std::int64_t position, std::int64_t rows) {
  const auto p = static_cast<double>(position), n = static_cast<double>(rows);
  return n * p + n * (n + 1) / 2;
}

}  // namespace

void StepLoad::add_decode(std::int64_t position, std::int64_t rows) {
  decode_rows += rows;
  context_tokens += context_sum(position, rows);
}

void StepLoad::add_prefill(std::int64_t position, std::int64_t rows) {
  prefill_tokens += rows;
  context_tokens += context_sum(position, rows);
}

CostModel::CostModel() : coefficients_(kPrior) {}

CostModel::Terms CostModel::terms(const StepLoad& load) {
  return {1, static_cast<double>(load.decode_rows), static_cast<double>(load.prefill_tokens),
          load.context_tokens / kContextScale};
}

double CostModel::predict_seconds(const StepLoad& load) const {
  const Terms x = terms(load);
  double seconds = 0;
  for (std::size_t i = 0; i < kTerms; ++i) seconds += coefficients_[i] * x[i];
  return seconds;
}

void CostModel::observe(const StepLoad& load, Time elapsed) {
  if (load.decode_rows + load.prefill_tokens == 0) return;
  double seconds = std::max(to_seconds(elapsed), 1e-7);
  const double predicted = predict_seconds(load);
  const bool surprise = seconds > 2 * predicted || predicted > 2 * seconds;
  surprises_ = surprise ? surprises_ + 1 : 0;
  const double forget = surprises_ >= kSurprises ? kForgetFast : kForget;
  if (observed_ >= kTrusted) seconds = std::min(seconds, kOutlier * predicted);
  ++observed_;
  Terms x = terms(load);
  for (double& term : x) term /= seconds;  // relative errors: the wanted value is 1
  for (std::size_t i = 0; i < kTerms; ++i) {
    for (std::size_t j = 0; j < kTerms; ++j) normal_[i][j] = forget * normal_[i][j] + x[i] * x[j];
    moment_[i] = forget * moment_[i] + x[i];
  }
  solve();
}

// Solves (normal + prior) beta = moment + prior by elimination; a term that comes out negative is
// left out and the rest solved again.
void CostModel::solve() {
  std::array<bool, kTerms> used;
  used.fill(true);
  for (int round = 0; round < kTerms; ++round) {
    std::array<Terms, kTerms> a = normal_;
    Terms b = moment_;
    for (std::size_t i = 0; i < kTerms; ++i) {
      a[i][i] += kPriorWeight / (kPrior[i] * kPrior[i]);
      b[i] += kPriorWeight / kPrior[i];
      if (used[i]) continue;
      for (std::size_t j = 0; j < kTerms; ++j) a[i][j] = a[j][i] = 0;
      a[i][i] = 1;
      b[i] = 0;
    }
    // The matrix is positive definite: no pivoting is needed.
    for (std::size_t i = 0; i < kTerms; ++i) {
      for (std::size_t row = i + 1; row < kTerms; ++row) {
        const double factor = a[row][i] / a[i][i];
        for (std::size_t j = i; j < kTerms; ++j) a[row][j] -= factor * a[i][j];
        b[row] -= factor * b[i];
      }
    }
    for (std::size_t i = kTerms; i-- > 0;) {
      for (std::size_t j = i + 1; j < kTerms; ++j) b[i] -= a[i][j] * b[j];
      b[i] /= a[i][i];
    }
    bool negative = false;
    for (std::size_t i = 0; i < kTerms; ++i) {
      if (b[i] >= 0 && std::isfinite(b[i])) continue;
      used[i] = false;
      negative = true;
    }
    if (negative) continue;
    coefficients_ = b;
    return;
  }
}

std::int64_t CostModel::tokens_within(double seconds, std::int64_t position,
                                      std::int64_t tokens) const {
  const auto cost = [&](std::int64_t count) {
    return coefficients_[2] * static_cast<double>(count) +
           coefficients_[3] * context_sum(position, count) / kContextScale;
  };
  std::int64_t fits = 0, above = tokens + 1;  // cost(fits) <= seconds < cost(above)
  while (above - fits > 1) {
    const std::int64_t middle = fits + (above - fits) / 2;
    (cost(middle) <= seconds ? fits : above) = middle;
  }
  return fits;
}

}  // namespace quire::scheduler
