// Tokens to a syntax tree, with Jinja's grammar and precedence.
#pragma once

#include <string_view>

#include "models/text/jinja/ast.h"

namespace quire::text::jinja {

// `depth`: how deeply expressions and blocks may nest. Throws SyntaxError.
Template parse(std::string_view source, int depth);

}  // namespace quire::text::jinja
