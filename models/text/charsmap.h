// SentencePiece's precompiled normalization table: a double-array trie over replacement texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::text {

class Charsmap {
 public:
  // Checks every unit that a lookup can reach: offsets inside the trie, values inside the texts,
  // texts valid UTF-8 up to their NUL, and at most kNestedMax keys that start one another.
  // libsentencepiece 0.1.97 checks none of it, has room for 32 nested keys, and crashes.
  static constexpr int kNestedMax = 32;
  static Result<Charsmap> parse(std::string_view blob);

  // Replacement of the shortest key that `text` starts with (the reference takes the shortest).
  std::optional<std::string_view> shortest_prefix(std::string_view text) const;

 private:
  Status check() const;
  Status check_leaf(std::uint32_t unit) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace quire::text
