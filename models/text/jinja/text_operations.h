// Pieces shared by the text filters and the methods of str.
#pragma once

#include <string>
#include <string_view>

#include "models/text/jinja/unicode.h"
#include "models/text/jinja/value.h"

namespace quire::text::jinja {

// A string that is markup when `model` is.
Value like(const Value& model, std::string text);
// limit < 0: every occurrence. An empty `old` stands between all code points.
std::string replace_text(std::string_view text, std::string_view old, std::string_view fresh,
                         std::int64_t limit);
// strip() with an argument that is None or the characters to drop.
std::string strip_argument(std::string_view text, const Value& chars, Side side);
// "...".format(...): see format_brace.cc.
class Interpreter;
struct Arguments;
Value format_braces(Interpreter& interpreter, const Value& format, const Arguments& arguments);
// One value by a format specification such as ">10.2f".
std::string format_value(const Value& value, std::string_view specification);

}  // namespace quire::text::jinja
