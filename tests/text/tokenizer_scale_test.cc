// Time grows no faster than n log n, and one thread's cache never changes an answer.
#include <gtest/gtest.h>

#include <ctime>
#include <thread>

#include "models/text/tokenizer.h"

namespace quire::text {
namespace {

std::unique_ptr<Tokenizer> golden(const std::string& name) {
  auto loaded = load_tokenizer(std::string(QUIRE_SOURCE_DIR) + "/tests/golden/tokenizers/" + name);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return std::move(*loaded);
}

// Processor time, so that a busy machine does not count.
double seconds_to_encode(const Tokenizer& tokenizer, const std::string& text) {
  const std::clock_t begin = std::clock();
  EXPECT_TRUE(tokenizer.encode(text, {}));
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

class WorstInput : public testing::TestWithParam<const char*> {};

// Oracle: 8 times the text may take at most 28 times as long (n log n is under 10 times, n^2 64
// times); caches and page faults of the machine come on top, so the best of three counts. Below one
// second the ratio says nothing: n^2 steps for a mebibyte are 10^12, many minutes.
TEST_P(WorstInput, TimeIsNotQuadratic) {
  const auto tokenizer = golden(GetParam());
  for (const std::string& unit : {std::string("a"), std::string("_"), std::string("=\n"),
                                  std::string("中"), std::string(" "), std::string("ab1 ")}) {
    const auto best_of_three = [&](std::size_t bytes) {
      std::string text;
      while (text.size() < bytes) text += unit;
      double best = 1e9;
      for (int i = 0; i < 3; ++i) best = std::min(best, seconds_to_encode(*tokenizer, text));
      return best;
    };
    const double small = std::max(best_of_three(128 << 10), 2e-3);
    EXPECT_LT(best_of_three(1 << 20), std::max(small * 28, 1.0)) << unit;
  }
}

INSTANTIATE_TEST_SUITE_P(All, WorstInput,
                         testing::Values("gpt2", "llama3", "o200k", "llama2", "gemma", "bert", "t5",
                                         "xlmr", "unigram_bytes", "slow_spm_llama", "slow_plamo"),
                         [](const auto& info) { return info.param; });

// Oracle: the same text by a fresh thread, whose cache is empty.
TEST(TokenizerThreads, CachesDoNotChangeIds) {
  const auto first = golden("qwen");
  const auto second = golden("gpt2");
  const std::string text =
      "The quick brown fox, it's 12345 中文 and the quick brown fox again.\n\n";
  for (int i = 0; i < 3; ++i) {
    const auto a = first->encode(text, {}).value();
    const auto b = second->encode(text, {}).value();
    std::vector<std::int32_t> fresh_a;
    std::vector<std::int32_t> fresh_b;
    std::thread([&] { fresh_a = first->encode(text, {}).value(); }).join();
    std::thread([&] { fresh_b = second->encode(text, {}).value(); }).join();
    EXPECT_EQ(a, fresh_a);
    EXPECT_EQ(b, fresh_b);
  }
}

}  // namespace
}  // namespace quire::text
