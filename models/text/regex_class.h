// Character classes of Oniguruma in PCRE2's language; used by the translation of whole patterns.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace quire::text {

// What \w stands for outside brackets, and what \b goes by, to be written inside brackets.
const std::string& word_items();

// Something that matches one character: either items to be written inside brackets (and whether
// they are meant negated), or a group that matches exactly one character.
struct ClassItem {
  std::string items;
  bool negated = false;
  bool is_group = false;

  // As a pattern of its own.
  std::string pattern() const {
    return is_group ? items : fmt::format("[{}{}]", negated ? "^" : "", items);
  }
};

// The escape at `in[at]` (a backslash that stands for a character or a class); moves `at` behind
// it.
Result<ClassItem> translate_class_escape(std::string_view in, std::size_t& at);
// The bracketed class at `in[at]`; moves `at` behind it.
Result<std::string> translate_class(std::string_view in, std::size_t& at);
// Items of a named property ("L", "Han", "Alphabetic").
Result<std::string> property_items(std::string_view name);

}  // namespace quire::text
