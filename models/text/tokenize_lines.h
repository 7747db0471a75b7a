// Tokenizing as a filter: one JSON request a line in, one JSON answer a line out.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "models/text/tokenizer.h"

namespace quire::text {

// The answer to one line. Requests:
//   {"text": "...", "add_special_tokens": true, "parse_special": true}
//     -> {"ids": [...], "tokens": ["...", ...]}
//   {"ids": [...], "skip_special_tokens": true, "stream": false}
//     -> {"text": "..."}, with "stream" also {"pieces": ["...", ...]}
// A request may also be a JSON string, which is the text. Anything wrong gives {"error": "..."}.
std::string tokenize_line(const Tokenizer& tokenizer, std::string_view line);

// Answers every line until the end of the input; empty lines are passed over.
void tokenize_lines(const Tokenizer& tokenizer, std::istream& in, std::ostream& out);

}  // namespace quire::text
