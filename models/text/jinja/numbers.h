// Python's conversions between text and numbers.
#pragma once

#include <optional>
#include <string_view>

#include "models/text/jinja/value.h"

namespace quire::text::jinja {

// int("  -0x1F ", base) and float(" 1_000.5e3 "); nothing where Python raises ValueError.
std::optional<Int> parse_int(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);
// round(number, digits): halves go to the even neighbour, judged on the exact binary value.
double round_half_even(double number, std::int64_t digits);
// The digits of %.{precision}{type}, type one of e, f and g.
std::string format_fixed(double number, int precision, char type);

}  // namespace quire::text::jinja
