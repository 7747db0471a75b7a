// Stop strings against a search in the whole text: however the text is split, what was let out is
// the text up to the match that ends first, and nothing ever had to be taken back.
#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "engine/stop_pattern.h"

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

// Oracle: every beginning of the text is searched for every substring, by hand-written matchers.
TEST(StopPattern, EndsWithTheFirstMatchHoweverTheTextIsSplit) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto found = [&](std::string_view text) {  // a[0-9]{2,3}b|cc+
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i, 2) == "cc") return true;
      for (const std::size_t digits : {2u, 3u}) {
        const std::string_view part = text.substr(i, digits + 2);
        if (part.size() == digits + 2 && part.front() == 'a' && part.back() == 'b' &&
            std::all_of(part.begin() + 1, part.end() - 1, is_digit)) {
          return true;
        }
      }
    }
    return false;
  };
  const auto pattern = StopPattern::make("a[0-9]{2,3}b|cc+");
  ASSERT_TRUE(pattern);
  Rng rng(3);
  int matches = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::uint64_t n = rng.below(24); n > 0; --n) text += "ab01c"[rng.below(5)];
    std::size_t expected = 0;
    while (expected <= text.size() && !found(text.substr(0, expected))) ++expected;
    PatternMatcher matcher(*pattern);
    std::size_t at = 0, end = text.size() + 1;
    while (at < text.size() && end > text.size()) {
      const std::size_t length = 1 + rng.below(text.size() - at);
      const auto hit = matcher.push(std::string_view(text).substr(at, length));
      ASSERT_TRUE(hit);
      if (*hit) end = at + **hit;
      at += length;
    }
    EXPECT_EQ(end, expected) << text;
    matches += end <= text.size();
  }
  EXPECT_GT(matches, 1000);
  EXPECT_FALSE(StopPattern::make("a*"));
  EXPECT_FALSE(StopPattern::make("(a"));
}

}  // namespace
}  // namespace quire::engine
