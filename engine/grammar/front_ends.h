// Texts that describe a language, parsed into grammars. Each error names what and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/grammar/grammar.h"

namespace quire::grammar {

// Which part of a text a regular expression must match: all of it (structured_outputs.regex) or any
// part (the "pattern" of JSON Schema).
enum class RegexMatch { kWhole, kSearch };

// Adds the language of an ECMA-262 style pattern to `grammar`. Linear by construction: what needs
// backtracking (lookaround, back-references, word boundaries) is refused by name, as are anchors
// that are not at an end.
Result<NodeId> add_regex(Grammar& grammar, std::string_view pattern, RegexMatch match,
                         const GrammarLimits& limits = {});

// GBNF as llama.cpp defines it; the start rule is "root".
Result<Grammar> parse_gbnf(std::string_view source, const GrammarLimits& limits = {});

// One of the texts exactly.
Result<Grammar> grammar_of_choices(const std::vector<std::string>& choices,
                                   const GrammarLimits& limits = {});
Result<Grammar> grammar_of_regex(std::string_view pattern, const GrammarLimits& limits = {});

// Reads one UTF-8 code point at `at` and advances; invalid bytes count as U+FFFD each.
char32_t next_code_point(std::string_view text, std::size_t& at);

}  // namespace quire::grammar
