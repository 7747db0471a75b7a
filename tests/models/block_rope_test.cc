// Rope frequencies against those that Transformers 5.23 computes (ROPE_INIT_FUNCTIONS on random
// configurations, printed with nine digits, which identify an f32), and sin_cos against long
// double.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "models/blocks/rope.h"

namespace quire::models {
namespace {

// One unit in the last place of each value: the power functions of torch round by themselves.
void expect_frequencies(const Rope& rope, std::int64_t context_max,
                        const std::vector<double>& expected) {
  const RopeFrequencies actual = rope_frequencies(rope, context_max);
  ASSERT_EQ(actual.per_pair.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual.per_pair[i], expected[i], 2.5e-7 * expected[i]) << "pair " << i;
  }
}

TEST(RopeFrequencies, Plain) {
  expect_frequencies(
      {.theta = 500000, .dims = 32}, 0,
      {1.0, 0.440366626, 0.193922758, 0.0853971019, 0.0376060307, 0.0165604409, 0.00729266508,
       0.00321144611, 0.00141421345, 0.000622772437, 0.000274248188, 0.000120769742, 5.31829573e-05,
       2.34199979e-05, 1.03133852e-05, 4.54167048e-06});
}

TEST(RopeFrequencies, Linear) {
  expect_frequencies(
      {.theta = 1e6, .dims = 32, .scaling = RopeLinear{.factor = 8}}, 0,
      {0.125, 0.0527120642, 0.0222284924, 0.00937367696, 0.00395284733, 0.00166690187,
       0.000702926656, 0.000296421727, 0.000125000006, 5.2712061e-05, 2.22284925e-05,
       9.37367804e-06, 3.95284678e-06, 1.66690177e-06, 7.02926684e-07, 2.96421717e-07});
}

TEST(RopeFrequencies, Llama3) {
  expect_frequencies(
      {.theta = 500000, .dims = 32, .scaling = RopeLlama3{.factor = 8}}, 0,
      {1.0, 0.440366626, 0.193922758, 0.0853971019, 0.0376060307, 0.0165604409, 0.00729266508,
       0.00321144611, 0.000524846022, 7.78465546e-05, 3.42810235e-05, 1.50962178e-05,
       6.64786967e-06, 2.92749974e-06, 1.28917316e-06, 5.6770881e-07});
}

TEST(RopeFrequencies, Yarn) {
  expect_frequencies(
      {.theta = 10000, .dims = 32, .scaling = RopeYarn{.factor = 40}}, 0,
      {1.0, 0.562341332, 0.316227764, 0.177827939, 0.100000001, 0.0562341288, 0.0272181761,
       0.0128290169, 0.00582142826, 0.00249036867, 0.000959977158, 0.000292145909, 2.49999994e-05,
       1.40585325e-05, 7.90569447e-06, 4.44569832e-06});
}

TEST(RopeFrequencies, YarnWithoutTruncation) {
  expect_frequencies(
      {.theta = 150000, .dims = 32, .scaling = RopeYarn{.factor = 32, .truncate = false}}, 0,
      {1.0, 0.47478205, 0.225418001, 0.107024416, 0.0508132726, 0.0193350017, 0.00679495931,
       0.00209379266, 0.000456483918, 3.83088118e-05, 1.8188337e-05, 8.63549576e-06, 4.09997847e-06,
       1.94659629e-06, 9.24208962e-07, 4.38797855e-07});
}

TEST(RopeFrequencies, DynamicFromTheLongestContext) {
  const Rope rope = {
      .theta = 10000, .dims = 32, .scaling = RopeDynamic{.factor = 2, .original_positions = 2048}};
  expect_frequencies(
      rope, 6000,
      {1.0, 0.506090283, 0.256127357, 0.129623547, 0.0656012148, 0.0332001336, 0.0168022644,
       0.00850346312, 0.00430351961, 0.00217796932, 0.00110224902, 0.000557837484, 0.000282316119,
       0.000142877441, 7.23088742e-05, 3.65948181e-05});
  const Rope plain = {.theta = 10000, .dims = 32};
  EXPECT_EQ(rope_frequencies(rope, 2048).per_pair, rope_frequencies(plain, 0).per_pair);
}

TEST(RopeFrequencies, LongropeListsByTheLongestContext) {
  RopeLong scaling = {.amplitude = 1.19f, .original_positions = 4096};
  for (int i = 0; i < 16; ++i) {
    scaling.short_factor.push_back(1.0f + 0.05f * static_cast<float>(i));
    scaling.long_factor.push_back(1.0f + 1.5f * static_cast<float>(i));
  }
  const Rope rope = {.theta = 10000, .dims = 32, .scaling = scaling};
  expect_frequencies(
      rope, 4096,
      {1.0, 0.535563171, 0.287479758, 0.154633, 0.0833333358, 0.044987306, 0.0243252143,
       0.0131724402, 0.00714285718, 0.00387821579, 0.00210818532, 0.00114727707, 0.000624999986,
       0.000340812927, 0.000186016332, 0.000101615973});
  expect_frequencies(
      rope, 4097,
      {1.0, 0.224936515, 0.079056941, 0.0323323533, 0.0142857144, 0.00661577983, 0.00316227786,
       0.00154632994, 0.00076923077, 0.000387821608, 0.000197642366, 0.000101615973, 5.2631578e-05,
       2.74312861e-05, 1.4373989e-05, 7.56714689e-06});
  EXPECT_EQ(rope_frequencies(rope, 4096).amplitude, 1.19f);
}

// The true value rounds to at most the neighbour of the result.
TEST(SinCos, IsWithinOneUnitOfTheTrueValue) {
  Rng rng(3);
  const auto near = [](float actual, long double truth) {
    const auto rounded = static_cast<float>(truth);
    return actual == rounded || actual == std::nextafter(rounded, 2.0f) ||
           actual == std::nextafter(rounded, -2.0f);
  };
  for (int i = 0; i < 100'000; ++i) {
    const double scale = std::pow(10.0, 8 * rng.uniform() - 1);
    const auto angle = static_cast<float>(scale * (2 * rng.uniform() - 1));
    const SinCos value = sin_cos_f32(angle);
    ASSERT_TRUE(near(value.sin, std::sin(static_cast<long double>(angle)))) << angle;
    ASSERT_TRUE(near(value.cos, std::cos(static_cast<long double>(angle)))) << angle;
  }
  EXPECT_EQ(sin_cos_f32(0).sin, 0.0f);
  EXPECT_EQ(sin_cos_f32(0).cos, 1.0f);
}

}  // namespace
}  // namespace quire::models
