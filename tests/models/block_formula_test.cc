// Every block against its formulas in double (block_reference.cc), and special cases in which one
// block must equal another. The tolerance, relative to the largest logit, is the first-order bound
// of the rounding of the longest chain in the zoo: three layers of six products, each a sum of at
// most 72 terms with half a unit in the last place per term. Typical errors are a tenth of it; a
// wrong sign, eps, order or index is a thousand times larger.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/models/block_reference.h"
#include "tests/models/decoder_harness.h"

namespace quire::models {
namespace {

using Tokens = std::vector<std::int32_t>;

constexpr double kTolerance = 3 * 6 * 72 * 0x1p-24;

double largest(const std::vector<double>& values) {
  double max = 0;
  for (const double value : values) max = std::max(max, std::abs(value));
  return max;
}

double worst_error(const std::vector<double>& expected, const std::vector<float>& actual) {
  EXPECT_EQ(expected.size(), actual.size());
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(expected[i] - double{actual[i]}));
  }
  return worst / largest(expected);
}

std::vector<float> logits_of(const DecoderSpec& spec, const RawWeights& raw, const Tokens& tokens,
                             const RunOptions& options = {}) {
  return Harness(spec, raw, options).run({tokens})[0];
}

class BlockFormula : public ::testing::TestWithParam<NamedSpec> {};

TEST_P(BlockFormula, LogitsMatchDoublePrecision) {
  const DecoderSpec& spec = GetParam().spec;
  for (const std::uint64_t seed : {1, 2, 3}) {
    const RawWeights raw = random_weights(spec, seed, DType::kF32);
    const Tokens tokens = random_tokens(spec, seed, 60);
    const double error =
        worst_error(reference_logits(spec, raw, tokens), logits_of(spec, raw, tokens));
    EXPECT_LT(error, kTolerance) << "seed " << seed;
  }
}

// bf16 weights are exact inputs of the same formulas; only the arithmetic of the kernel differs.
TEST_P(BlockFormula, Bf16WeightsMatchDoublePrecision) {
  const DecoderSpec& spec = GetParam().spec;
  const RawWeights raw = random_weights(spec, 4, DType::kBf16);
  const Tokens tokens = random_tokens(spec, 4, 40);
  const double error = worst_error(reference_logits(spec, raw, tokens),
                                   logits_of(spec, raw, tokens, {.weight_dtype = DType::kBf16}));
  EXPECT_LT(error, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Families, BlockFormula, ::testing::ValuesIn(spec_zoo()),
                         [](const auto& info) { return info.param.name; });

DecoderSpec zoo(std::string_view name) {
  for (NamedSpec& entry : spec_zoo()) {
    if (entry.name == name) return entry.spec;
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(BlockSpecialCase, WindowOfTheWholeContextIsNoWindow) {
  DecoderSpec spec = zoo("mistral");
  const RawWeights raw = random_weights(spec, 1, DType::kF32);
  const Tokens tokens = random_tokens(spec, 1, 50);
  auto& attention = std::get<Attention>(spec.layers[0].mixer);
  attention.window = 50;
  const std::vector<float> windowed = logits_of(spec, raw, tokens);
  attention.window = 0;
  EXPECT_EQ(windowed, logits_of(spec, raw, tokens));
  attention.window = 49;
  EXPECT_NE(windowed, logits_of(spec, raw, tokens));
}

TEST(BlockSpecialCase, EqualExpertsAreOneMlp) {
  DecoderSpec spec = zoo("qwen3_moe");
  RawWeights raw = random_weights(spec, 1, DType::kF32);
  for (auto& [key, values] : raw) {
    const auto& [layer, slot, index] = key;
    const bool is_expert =
        slot == Slot::kExpertGate || slot == Slot::kExpertUp || slot == Slot::kExpertDown;
    if (is_expert) values = raw.at({layer, slot, 0});
  }
  const Tokens tokens = random_tokens(spec, 1, 30);
  const std::vector<float> mixture = logits_of(spec, raw, tokens);
  // Renormalised weights sum to 1: the mixture is the one expert as a dense MLP.
  spec.layers[0].ffn = GatedMlp{.inner = 24};
  raw[{0, Slot::kGate, 0}] = raw.at({0, Slot::kExpertGate, 0});
  raw[{0, Slot::kUp, 0}] = raw.at({0, Slot::kExpertUp, 0});
  raw[{0, Slot::kDown, 0}] = raw.at({0, Slot::kExpertDown, 0});
  std::erase_if(raw, [](const auto& entry) {
    const auto& [layer, slot, index] = entry.first;
    return layer == 0 && (slot == Slot::kRouter || slot == Slot::kExpertGate ||
                          slot == Slot::kExpertUp || slot == Slot::kExpertDown);
  });
  const std::vector<double> dense = reference_logits(spec, raw, tokens);
  EXPECT_LT(worst_error(dense, mixture), kTolerance);
}

TEST(BlockSpecialCase, OneGroupIsNoGroup) {
  DecoderSpec spec = zoo("deepseek_v3");
  const RawWeights raw = random_weights(spec, 1, DType::kF32);
  const Tokens tokens = random_tokens(spec, 1, 30);
  const auto with_groups = [&](int groups, int kept) {
    for (Layer& layer : spec.layers) {
      if (auto* moe = std::get_if<MixtureOfExperts>(&layer.ffn)) {
        moe->router.groups = groups;
        moe->router.groups_kept = kept;
      }
    }
    return logits_of(spec, raw, tokens);
  };
  EXPECT_EQ(with_groups(1, 1), with_groups(4, 4));
  EXPECT_NE(with_groups(1, 1), with_groups(4, 2));
}

// A mixture works on batches of 512 rows; a step of more must not notice.
TEST(BlockSpecialCase, MixturesOfLongStepsAreCutUnseen) {
  const DecoderSpec spec = zoo("qwen3_5_moe");
  const RawWeights raw = random_weights(spec, 1, DType::kF32);
  std::vector<Tokens> sequences;
  for (std::uint64_t i = 0; i < 4; ++i) sequences.push_back(random_tokens(spec, i, 150));
  Harness crowd(spec, raw, {.threads = 2, .step_tokens_max = 600});
  const Logits together = crowd.run(sequences);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(together[i], logits_of(spec, raw, sequences[i])) << i;
  }
}

TEST(BlockSpecialCase, ZeroScoresHalveTheGatedOutput) {
  DecoderSpec spec = zoo("qwen3_5");
  RawWeights raw = random_weights(spec, 1, DType::kF32);
  // Gate rows of q_proj [H, 2, E] to zero: sigmoid(0) = 1/2, so doubling the output projection
  // gives the ungated layer.
  const std::size_t e = 24, hidden = 48, heads = 6;
  std::vector<float>& q = raw.at({1, Slot::kQ, 0});
  std::vector<float> queries;
  for (std::size_t head = 0; head < heads; ++head) {
    const auto at = q.begin() + static_cast<std::ptrdiff_t>(head * 2 * e * hidden);
    const auto half = static_cast<std::ptrdiff_t>(e * hidden);
    queries.insert(queries.end(), at, at + half);
    std::fill(at + half, at + 2 * half, 0.0f);
  }
  const Tokens tokens = random_tokens(spec, 1, 30);
  const std::vector<float> gated = logits_of(spec, raw, tokens);
  q = queries;
  for (float& value : raw.at({1, Slot::kO, 0})) value *= 0.5f;
  std::get<Attention>(spec.layers[1].mixer).output_gate = false;
  EXPECT_EQ(gated, logits_of(spec, raw, tokens));
}

}  // namespace
}  // namespace quire::models
