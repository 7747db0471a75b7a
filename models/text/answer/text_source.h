// Which bytes of an answer's raw text became its content.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quire::text {

// Bytes [begin, end) of a text, counted from its beginning.
struct TextSpan {
  std::size_t begin = 0, end = 0;

  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};
using TextSpans = std::vector<TextSpan>;

// Adds the byte at `at`, which lies behind every one that was added before.
inline void add_byte(TextSpans& spans, std::size_t at) {
  if (!spans.empty() && spans.back().end == at) {
    ++spans.back().end;
  } else {
    spans.push_back({at, at + 1});
  }
}

// Text that waits until it is known what it is, with the place of each byte.
class SourcedText {
 public:
  void add(char c, std::size_t at) {
    text_ += c;
    at_.push_back(at);
  }
  void clear() {
    text_.clear();
    at_.clear();
  }
  SourcedText take() { return std::exchange(*this, {}); }
  const std::string& text() const { return text_; }
  std::size_t at(std::size_t idx) const { return at_[idx]; }

 private:
  std::string text_;
  std::vector<std::size_t> at_;
};

}  // namespace quire::text
