// Stop strings against a search in the whole text: however the text is split, what was let out is
// the text up to the match that ends first, and nothing ever had to be taken back.
#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace quire::engine {
namespace {

struct Cut {
  std::string text, stop;
};

// Byte by byte over the whole text: the first position where some stop string has just ended.
Cut one_shot(const std::string& text, const std::vector<std::string>& stops, bool include) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    const std::string* best = nullptr;
    for (const std::string& stop : stops) {
      if (stop.size() > end || text.compare(end - stop.size(), stop.size(), stop) != 0) continue;
      if (best == nullptr || stop.size() > best->size()) best = &stop;
    }
    if (best != nullptr) return {text.substr(0, include ? end : end - best->size()), *best};
  }
  return {text, ""};
}

TEST(StopMatcher, StreamedEqualsOneShot) {
  Rng rng(1);
  int matches = 0;
  for (int round = 0; round < 50000; ++round) {
    std::vector<std::string> stops(rng.below(4));
    for (std::string& stop : stops) {
      const auto length = 1 + rng.below(5);
      for (std::uint64_t i = 0; i < length; ++i) stop += static_cast<char>('a' + rng.below(2));
    }
    std::string text;
    const auto length = rng.below(24);
    for (std::uint64_t i = 0; i < length; ++i) text += static_cast<char>('a' + rng.below(3));
    const bool include = rng.below(2) == 0;
    const Cut expected = one_shot(text, stops, include);

    StopMatcher matcher(stops, include);
    std::string out, stop;
    std::size_t at = 0;
    while (at < text.size() && stop.empty()) {
      const std::size_t piece = 1 + rng.below(6);
      stop = matcher.push(std::string_view(text).substr(at, piece), out).value_or("");
      at += piece;
      ASSERT_TRUE(expected.text.starts_with(out)) << "leaked '" << out << "' of '" << text << "'";
    }
    if (stop.empty()) matcher.finish(out);
    ASSERT_EQ(out, expected.text) << text;
    ASSERT_EQ(stop, expected.stop) << text;
    matches += stop.empty() ? 0 : 1;
  }
  EXPECT_GT(matches, 10000);
}

TEST(StopMatcher, HoldsBackNoMoreThanAPossibleBeginning) {
  StopMatcher matcher({"<end>"}, false);
  std::string out;
  EXPECT_FALSE(matcher.push("one < two", out));
  EXPECT_EQ(out, "one < two");
  EXPECT_FALSE(matcher.push(" <en", out));
  EXPECT_EQ(out, "one < two ");
  EXPECT_FALSE(matcher.push("d", out));
  EXPECT_FALSE(matcher.push(" ", out));
  EXPECT_EQ(out, "one < two <end ");
}

}  // namespace
}  // namespace quire::engine
