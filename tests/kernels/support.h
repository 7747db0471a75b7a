// Random inputs, the instruction sets of this machine, and bit-for-bit comparison.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "kernels/ref/reference.h"

namespace quire::kernels {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

inline std::vector<Isa> present_isas() {
  std::vector<Isa> present;
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512})
    if (isa_supported(isa)) present.push_back(isa);
  return present;
}

// Roughly normal, deviation `scale`.
inline float normal(Rng& rng, double scale = 1) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += rng.uniform();
  return static_cast<float>(sum * scale);
}
inline std::vector<float> normals(Rng& rng, std::int64_t count, double scale = 1) {
  std::vector<float> v(static_cast<std::size_t>(count));
  for (float& x : v) x = normal(rng, scale);
  return v;
}
// Mixed with zeros of both signs, subnormals, and magnitudes up to 2^40.
inline std::vector<float> odd_floats(Rng& rng, std::int64_t count) {
  std::vector<float> v(static_cast<std::size_t>(count));
  for (float& x : v) {
    const std::uint64_t kind = rng.below(8);
    x = normal(rng);
    if (kind == 0) x = rng.below(2) == 0 ? 0.0f : -0.0f;
    if (kind == 1) x *= 0x1p-130f;
    if (kind == 2) x *= 0x1p40f;
    if (kind == 3) x *= 0x1p-70f;
  }
  return v;
}

// Two NaNs count as the same: which payload survives an operation is not promised.
inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

inline void expect_same(const std::vector<float>& want, const std::vector<float>& got,
                        const std::string& what) {
  ASSERT_EQ(want.size(), got.size()) << what;
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_TRUE(same_bits(want[i], got[i]))
        << what << ": element " << i << " of " << want.size() << ": " << std::hexfloat << want[i]
        << " became " << got[i];
}

// Runs on every instruction set present, compares with the scalar row, returns the scalar result.
inline std::vector<float> on_all_rows(
    const std::string& what, const std::function<std::vector<float>(const Kernels&)>& run) {
  const std::vector<float> want = run(kernels(Isa::kScalar));
  for (const Isa isa : present_isas())
    expect_same(want, run(kernels(isa)), what + " on " + std::string(isa_name(isa)));
  return want;
}

// Within the derived bound; reports the largest share of it that was used.
inline void expect_close(const ref::Estimate& want, const std::vector<float>& got,
                         const std::string& what) {
  ASSERT_EQ(want.value.size(), got.size()) << what;
  double used = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double off = std::fabs(got[i] - want.value[i]);
    ASSERT_LE(off, want.slack[i]) << what << ": element " << i << " is " << got[i] << ", not "
                                  << want.value[i];
    if (off > 0) used = std::max(used, off / want.slack[i]);
  }
  ::testing::Test::RecordProperty(what, std::to_string(used));
}

}  // namespace quire::kernels
