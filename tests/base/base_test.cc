// The words every layer shares: conversions, shapes, random numbers, the worker team.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <set>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/team.h"
#include "base/tensor_view.h"

namespace quire {
namespace {

// Oracle: the compiler's own conversion for f16 is exact, so every one of the 65,536 values must
// survive the trip to f32 and back.
TEST(DType, HalfRoundTripsEveryValue) {
  for (int bits = 0; bits < 65536; ++bits) {
    const float wide = f16_to_f32(static_cast<std::uint16_t>(bits));
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(wide))));
      continue;
    }
    EXPECT_EQ(f32_to_f16(wide), bits);
    EXPECT_EQ(wide, static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(bits))));
  }
}

TEST(DType, HalfRoundsToNearestEven) {
  Rng rng(1);
  for (int i = 0; i < 200000; ++i) {
    const auto bits = static_cast<std::uint32_t>(rng.bits());
    const float value = std::bit_cast<float>(bits);
    if (std::isnan(value)) continue;
    EXPECT_EQ(f32_to_f16(value), std::bit_cast<std::uint16_t>(static_cast<_Float16>(value)))
        << value;
  }
}

TEST(DType, Bf16RoundsToNearestEven) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie to even
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::nanf("")))));
}

TEST(ShapeScope, BindsAndChecksLetters) {
  float data[24];
  ShapeScope scope("op");
  scope.bind('E', 4).check(TensorView::f32(data, {2, 12}), "T H*E");
  scope.check(TensorView::f32(data, {2, 3}), "T H");
  EXPECT_DEATH(scope.check(TensorView::f32(data, {3, 3}), "T H"), "dimension 0 is 3, expected 2");
  EXPECT_DEATH(scope.check(TensorView::f32(data, {2}), "T H"), "more dimensions");
}

TEST(Rng, PositionsAreIndependentOfHistory) {
  Rng rng(7);
  rng.bits();
  rng.bits();
  EXPECT_EQ(rng.bits(), random_bits(7, 2));
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) seen.insert(random_bits(i, 0));
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Hasher, OrderAndLengthMatter) {
  std::set<Hash128> seen;
  const std::vector<std::int32_t> a = {1, 2, 3}, b = {3, 2, 1}, c = {1, 2}, d = {};
  for (const auto& tokens : {a, b, c, d}) seen.insert(Hasher().add(std::span(tokens)).digest());
  seen.insert(Hasher().add("ab").add("c").digest());
  seen.insert(Hasher().add("a").add("bc").digest());
  EXPECT_EQ(seen.size(), 6u);
}

TEST(Team, RunsEveryChunkOnce) {
  for (const int threads : {1, 2, 4}) {
    Team team(threads);
    for (int round = 0; round < 2000; ++round) {
      const int chunks = round % 37;
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(chunks));
      team.run(chunks, [&](int chunk) { hits[static_cast<std::size_t>(chunk)]++; });
      for (auto& hit : hits) ASSERT_EQ(hit.load(), 1);
    }
  }
}

// Each chunk sees all of the phases before it done; phases may be empty.
TEST(Team, PhasesFollowEachOther) {
  for (const int threads : {1, 2, 4}) {
    Team team(threads);
    for (int round = 0; round < 2000; ++round) {
      const int first = round % 5, second = round % 3, third = round % 7;
      std::atomic<int> done{0}, wrong{0};
      const auto in_order = [&](int before, int after) {
        return [&done, &wrong, before, after](int) {
          const int seen = done.load();
          if (seen < before || seen >= after) ++wrong;
          ++done;
        };
      };
      const auto a = in_order(0, first), b = in_order(first, first + second),
                 c = in_order(first + second, first + second + third);
      team.run_phases({{first, a}, {second, b}, {third, c}});
      ASSERT_EQ(done.load(), first + second + third);
      ASSERT_EQ(wrong.load(), 0);
    }
  }
}

TEST(Team, WakesSleepingWorkers) {
  Team team(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than the spin
  std::atomic<int> total{0};
  team.run(64, [&](int chunk) { total += chunk; });
  EXPECT_EQ(total.load(), 63 * 64 / 2);
}

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::kInvalid, "value {} is odd", value);
  return value / 2;
}

Result<int> quarter(int value) {
  QUIRE_ASSIGN(const int once, half(value));
  return half(once);
}

TEST(Result, PassesErrorsOn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().message, "value 3 is odd");
}

}  // namespace
}  // namespace quire
