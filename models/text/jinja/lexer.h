// Template source to tokens, as Jinja splits it with trim_blocks and lstrip_blocks on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/text/jinja/value.h"

namespace quire::text::jinja {

enum class TokenKind : std::uint8_t {
  kEnd,
  kData,           // text: the template's own words
  kVariableBegin,  // {{
  kVariableEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,      // text
  kString,    // text, unescaped
  kInteger,   // value
  kFloat,     // value
  kOperator,  // text: "+", "==", "(" ...
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::size_t offset = 0;  // bytes into the normalized source
  std::string text = {};
  Value value = {};
};

// The source with every line ending as \n and without one newline at its end.
std::string normalize_source(std::string_view source);

// A syntax error with its place; compile() adds line and column.
struct SyntaxError {
  std::string message;
  std::size_t offset;
};

// The last token is kEnd. Throws SyntaxError.
std::vector<Token> tokenize(std::string_view source);

// "\n", "\u00e9", "\N{BULLET}" ... as Python's unicode-escape codec reads them. Throws SyntaxError.
std::string unescape(std::string_view quoted, std::size_t offset);

}  // namespace quire::text::jinja
