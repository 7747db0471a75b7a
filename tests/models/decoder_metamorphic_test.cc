// The promise "same request, same bytes" on random weights, for every set of blocks. No reference
// is needed: one sequence, alone, in one step, on one thread of scalar code, must give the same
// bits as any other way to run the same tokens.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/models/decoder_harness.h"

namespace quire::models {
namespace {

using Tokens = std::vector<std::int32_t>;

class DecoderBits : public ::testing::TestWithParam<NamedSpec> {
 protected:
  const DecoderSpec& spec() const { return GetParam().spec; }
  Harness harness(const RunOptions& options) const {
    return Harness(spec(), random_weights(spec(), 1, options.weight_dtype), options);
  }
  // Five sequences of different lengths, longer than the windows and a few pages.
  std::vector<Tokens> sequences() const {
    std::vector<Tokens> result;
    for (const int length : {70, 1, 33, 17, 48}) {
      result.push_back(random_tokens(spec(), result.size(), length));
    }
    return result;
  }
  // Each sequence alone and whole.
  Logits alone(RunOptions options) const {
    options.chunks = {1 << 20};
    options.threads = 1;
    options.isa = kernels::Isa::kScalar;
    options.page_tokens = 16;
    Harness one = harness(options);
    Logits result;
    for (const Tokens& tokens : sequences()) result.push_back(one.run({tokens})[0]);
    return result;
  }
  static void expect_same_bits(const Logits& expected, const Logits& actual, const char* what) {
    ASSERT_EQ(expected.size(), actual.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(expected[i].size(), actual[i].size()) << what;
      EXPECT_EQ(
          0, std::memcmp(expected[i].data(), actual[i].data(), expected[i].size() * sizeof(float)))
          << what << ", sequence " << i;
    }
  }
};
class RecurrentDecoderBits : public DecoderBits {};

TEST_P(DecoderBits, LogitsAreFiniteAndDependOnTheirTokens) {
  const Logits logits = alone({});
  for (const auto& rows : logits) {
    for (const float logit : rows) ASSERT_TRUE(std::isfinite(logit));
  }
  // Another first token changes the last row: nothing upstream is cut off.
  Tokens other = sequences()[3];
  other[0] = (other[0] + 1) % spec().vocab;
  Harness one = harness({});
  const std::vector<float> changed = one.run({other})[0];
  bool is_windowed = true;
  for (const Layer& layer : spec().layers) {
    const auto* attention = std::get_if<Attention>(&layer.mixer);
    is_windowed = is_windowed && attention != nullptr && attention->window > 0;
  }
  const auto vocab = static_cast<std::size_t>(spec().vocab);
  EXPECT_NE(std::vector<float>(changed.end() - spec().vocab, changed.end()),
            std::vector<float>(logits[3].end() - spec().vocab, logits[3].end()));
  EXPECT_NE(std::vector<float>(changed.begin(), changed.begin() + spec().vocab),
            std::vector<float>(logits[3].begin(), logits[3].begin() + spec().vocab));
  EXPECT_EQ(changed.size(), vocab * 17);
}

TEST_P(DecoderBits, ACrowdChangesNothing) {
  const Logits expected = alone({});
  expect_same_bits(expected, harness({}).run(sequences()), "crowd");
  expect_same_bits(expected, harness({.threads = 2}).run(sequences()), "crowd on two threads");
}

TEST_P(DecoderBits, ChunksChangeNothing) {
  const Logits expected = alone({});
  for (const std::vector<int>& chunks :
       {std::vector<int>{1}, {7}, {64}, {1, 20, 3, 33}, {32, 1, 1}}) {
    expect_same_bits(expected, harness({.threads = 2, .chunks = chunks}).run(sequences()),
                     "chunks");
  }
}

// Scratch is cut for exactly this many rows: buffers that overlap would show here.
TEST_P(DecoderBits, StepsAtTheLimitOfTokensChangeNothing) {
  const Logits expected = alone({});
  expect_same_bits(expected, harness({.threads = 2, .step_tokens_max = 17}).run(sequences()),
                   "step of 17 tokens");
  expect_same_bits(expected, harness({.step_tokens_max = 1}).run(sequences()), "step of one token");
}

TEST_P(DecoderBits, InstructionSetsAndThreadsChangeNothing) {
  const Logits expected = alone({});
  for (const kernels::Isa isa : supported_isas()) {
    for (const int threads : {1, 2, 5}) {
      expect_same_bits(
          expected, harness({.threads = threads, .isa = isa, .chunks = {1, 40}}).run(sequences()),
          kernels::isa_name(isa).data());
    }
  }
}

TEST_P(DecoderBits, PageSizesChangeNothing) {
  const Logits expected = alone({});
  for (const int page_tokens : {16, 32, 64}) {
    expect_same_bits(expected,
                     harness({.page_tokens = page_tokens, .chunks = {9, 30}}).run(sequences()),
                     "page size");
  }
}

TEST_P(DecoderBits, HoldsForSmallerWeightsAndPages) {
  for (const DType kv_dtype : {DType::kBf16, DType::kI8}) {
    const RunOptions small = {.weight_dtype = DType::kBf16, .kv_dtype = kv_dtype};
    const Logits expected = alone(small);
    for (const kernels::Isa isa : supported_isas()) {
      RunOptions options = small;
      options.isa = isa;
      options.threads = 2;
      options.chunks = {1, 25};
      options.page_tokens = 32;
      expect_same_bits(expected, harness(options).run(sequences()), kernels::isa_name(isa).data());
    }
  }
}

// A state that was saved after row r equals the working state of a run that ends there.
// Single rows, rows of a few drafts and chunks over pages that several sequences hold.
TEST_P(DecoderBits, SharedPagesChangeNothing) {
  constexpr int kShared = 96;
  std::vector<Tokens> forks;
  for (const int length : {120, 97, 113, 140, 99}) {
    forks.push_back(random_tokens(spec(), 7, kShared));
    const Tokens own = random_tokens(spec(), 8 + forks.size(), length - kShared);
    forks.back().insert(forks.back().end(), own.begin(), own.end());
  }
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI8}) {
    RunOptions options = {.kv_dtype = dtype};
    Harness one = harness(options);
    Logits expected;
    for (const Tokens& tokens : forks) {
      const std::vector<float> rows = one.run({tokens})[0];
      expected.emplace_back(rows.begin() + std::ptrdiff_t{kShared} * spec().vocab, rows.end());
    }
    for (const int threads : {1, 2}) {
      options = {.threads = threads, .isa = kernels::best_isa(), .kv_dtype = dtype};
      options.chunks = {1, 3, 12};
      for (const int page_tokens : {16, 32}) {
        options.page_tokens = page_tokens;
        expect_same_bits(expected, harness(options).run_forks(forks, kShared), "forks");
      }
    }
  }
}

TEST_P(RecurrentDecoderBits, SavedStatesAreThoseOfShorterRuns) {
  Harness all = harness({.threads = 2});
  const Tokens tokens = random_tokens(spec(), 5, 40);
  const std::vector<int> rows = {0, 1, 15, 16, 38, 39};
  const auto saved = all.saved_states(tokens, rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Harness shorter = harness({});
    shorter.run({Tokens(tokens.begin(), tokens.begin() + rows[i] + 1)});
    const std::vector<float> expected = shorter.state(0);
    EXPECT_EQ(0, std::memcmp(expected.data(), saved[i].data(), expected.size() * sizeof(float)))
        << "after row " << rows[i];
  }
}

std::vector<NamedSpec> recurrent_zoo() {
  std::vector<NamedSpec> zoo = spec_zoo();
  std::erase_if(zoo, [](const NamedSpec& it) { return state_bytes_of(it.spec) == 0; });
  return zoo;
}

INSTANTIATE_TEST_SUITE_P(Families, DecoderBits, ::testing::ValuesIn(spec_zoo()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Families, RecurrentDecoderBits, ::testing::ValuesIn(recurrent_zoo()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace quire::models
