// Characters that the reference's regular expressions know and the installed libraries do not.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

namespace quire::text {

struct CharRange {
  char32_t first;
  char32_t last;
};

// Members of a class ("lu", "alphabetic", "han": lower case) that came after Unicode 14, ascending.
std::span<const CharRange> newer_chars(std::string_view name);

inline bool lies_in(std::span<const CharRange> ranges, char32_t code) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), code,
                       [](char32_t value, const CharRange& range) { return value < range.first; });
  return after != ranges.begin() && code <= (after - 1)->last;
}

}  // namespace quire::text
