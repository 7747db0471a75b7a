// Texts that describe a language, parsed into grammars. Each error names what and where.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/grammar/grammar.h"
#include "models/load/json.h"

namespace quire::grammar {

// Which part of a text a regular expression must match: all of it (structured_outputs.regex) or any
// part (the "pattern" of JSON Schema).
enum class RegexMatch { kWhole, kSearch };

// Adds the language of an ECMA-262 style pattern to `grammar`. Linear by construction: what needs
// backtracking (lookaround, back-references, word boundaries) is refused by name, as are anchors
// that are not at an end.
struct RegexOptions {
  RegexMatch match = RegexMatch::kWhole;
  // How one code point out of the ranges is spelled in the text; null: as plain UTF-8.
  std::function<NodeId(std::vector<CodePointRange>)> code_points = {};
};
Result<NodeId> add_regex(Grammar& grammar, std::string_view pattern, const RegexOptions& options,
                         const GrammarLimits& limits = {});

// GBNF as llama.cpp defines it; the start rule is "root".
Result<Grammar> parse_gbnf(std::string_view source, const GrammarLimits& limits = {});

// JSON Schema, draft 2020-12: only texts that are JSON and valid under the schema. Listed
// properties come in the schema's order. A keyword that a grammar cannot enforce is refused by name
// with its path ("/properties/a/uniqueItems"); annotations are read over, unknown keywords too, as
// the standard says.
Result<Grammar> parse_json_schema(const Json& schema, const GrammarLimits& limits = {});
// ... with whitespace that a regular expression describes (vLLM's guided_whitespace_pattern);
// kInvalid when it matches anything but whitespace.
Result<Grammar> parse_json_schema(const Json& schema, const std::string& whitespace_pattern);
// The same as a part of a larger grammar.
Result<NodeId> add_json_schema(Grammar& grammar, const Json& schema,
                               const GrammarLimits& limits = {});
// Any JSON object (response_format json_object).
Grammar grammar_of_json_object();

// One of the texts exactly.
Result<Grammar> grammar_of_choices(const std::vector<std::string>& choices,
                                   const GrammarLimits& limits = {});
Result<Grammar> grammar_of_regex(std::string_view pattern, const GrammarLimits& limits = {});

// Reads one UTF-8 code point at `at` and advances; invalid bytes count as U+FFFD each.
char32_t next_code_point(std::string_view text, std::size_t& at);

}  // namespace quire::grammar
