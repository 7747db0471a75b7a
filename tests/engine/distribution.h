// Whether a sampler draws what a distribution says.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/sampler.h"

namespace quire::engine {

// Draws at positions 0 ... count - 1 follow `p`, and what has no probability is never drawn.
inline void expect_distribution(const Sampler& sampler, const std::vector<float>& logits,
                                const std::vector<double>& p, int count) {
  SamplerScratch scratch;
  std::vector<int> hits(p.size());
  for (int position = 0; position < count; ++position) {
    const auto token =
        sampler.sample(kernels::kernels(kernels::Isa::kScalar), logits, position, scratch);
    ASSERT_TRUE(token);
    ++hits[static_cast<std::size_t>(token->id)];
  }
  double chi2 = 0;
  int freedom = -1;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] < 1e-12) {
      EXPECT_EQ(hits[i], 0) << "token " << i;
      continue;
    }
    const double expected = p[i] * count;
    if (expected < 5) continue;
    chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
    ++freedom;
  }
  // Wilson-Hilferty bound of about 5 standard deviations: one false alarm in millions.
  if (freedom < 1) return;
  const double f = freedom;
  const double limit = f * std::pow(1 - 2 / (9 * f) + 5 * std::sqrt(2 / (9 * f)), 3);
  EXPECT_LT(chi2, limit) << "degrees of freedom " << freedom;
}

}  // namespace quire::engine
