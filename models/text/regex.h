// Regular expressions of tokenizer files: Oniguruma's language, matched by PCRE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::text {

// PCRE2's spelling of an Oniguruma pattern; regex_translate.cc lists the differences. Refuses what
// PCRE2 cannot express.
Result<std::string> translate_regex(std::string_view pattern);

// A part of a text that a pattern did or did not match.
struct Match {
  std::size_t begin;
  std::size_t end;
  bool matched;
};

class Regex {
 public:
  // `pattern` in Oniguruma's language, or in PCRE2's own.
  static Result<Regex> compile(std::string_view pattern);
  static Result<Regex> compile_native(std::string_view pattern);
  static Result<Regex> compile_literal(std::string_view text);

  // Appends all matches and what lies between them, in order, covering `text` (valid UTF-8) wholly.
  // An empty match that touches the match before it is passed over. Refuses when the pattern needs
  // more backtracking than the limit.
  Status find_all(std::string_view text, std::vector<Match>& out) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string pattern_;
};

}  // namespace quire::text
