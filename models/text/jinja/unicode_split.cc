// Stripping and splitting of UTF-8 as Python's str methods do it.
#include <algorithm>

#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// Start of the code point that ends before `offset`.
std::size_t previous_start(std::string_view text, std::size_t offset) {
  do {
    --offset;
  } while (offset > 0 && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80);
  return offset;
}

template <class Predicate>
std::string_view strip_where(std::string_view text, Side side, Predicate drop) {
  std::size_t begin = 0;
  std::size_t end = text.size();
  if (side != Side::kRight) {
    for (std::size_t at = 0; at < end && drop(next_code_point(text, at));) begin = at;
  }
  if (side != Side::kLeft) {
    while (end > begin) {
      const std::size_t start = previous_start(text, end);
      std::size_t at = start;
      if (!drop(next_code_point(text, at))) break;
      end = start;
    }
  }
  return text.substr(begin, end - begin);
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::string_view strip(std::string_view text, Side side) {
  return strip_where(text, side, is_space);
}

std::string_view strip_chars(std::string_view text, std::string_view chars, Side side) {
  std::u32string set;
  for (std::size_t at = 0; at < chars.size();) set += next_code_point(chars, at);
  std::sort(set.begin(), set.end());
  return strip_where(text, side,
                     [&](char32_t c) { return std::binary_search(set.begin(), set.end(), c); });
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = at;
    const char32_t c = next_code_point(text, at);
    if (!is_line_end(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::vector<std::string_view> split_space(std::string_view text, std::int64_t limit) {
  std::vector<std::string_view> words;
  text = strip(text, Side::kLeft);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<std::int64_t>(words.size()) >= limit) {
      words.push_back(text);
      break;
    }
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size();) {
      if (is_space(next_code_point(text, at))) break;
      end = at;
    }
    words.push_back(text.substr(0, end));
    text = strip(text.substr(end), Side::kLeft);
  }
  return words;
}

std::vector<std::string_view> split_space_right(std::string_view text, std::int64_t limit) {
  std::vector<std::string_view> words;
  text = strip(text, Side::kRight);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<std::int64_t>(words.size()) >= limit) {
      words.push_back(text);
      break;
    }
    std::size_t start = text.size();
    while (start > 0) {
      std::size_t at = previous_start(text, start);
      const std::size_t before = at;
      if (is_space(next_code_point(text, at))) break;
      start = before;
    }
    words.push_back(text.substr(start));
    text = strip(text.substr(0, start), Side::kRight);
  }
  std::reverse(words.begin(), words.end());
  return words;
}

}  // namespace quire::text::jinja
