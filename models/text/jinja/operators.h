// Python's operators on values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/text/jinja/value.h"

namespace quire::text::jinja {

enum class Operator : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
};
const char* symbol_of(Operator op);

// Raises Python's TypeError and ZeroDivisionError messages.
Value apply(Operator op, const Value& left, const Value& right);
Value negate(const Value& value);
Value plus(const Value& value);

enum class Comparison : std::uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};
bool compare(Comparison op, const Value& left, const Value& right);
bool equal(const Value& left, const Value& right);
// left < right; raises for types without an order.
bool less(const Value& left, const Value& right);
bool contains(const Value& container, const Value& item);

// Any use of an undefined value but the harmless ones raises its message.
void require_defined(const Value& value);
// An index or count: an int or a bool, clamped to 64 bits; raises otherwise.
std::int64_t to_index(const Value& value, std::string_view what);

// `text` escaped for HTML as MarkupSafe does it.
std::string escape_html(std::string_view text);
// escape(): Markup stays, anything else becomes an escaped str().
Value escape_value(const Value& value);

// "text" % value (see format_percent.cc).
Value format_percent(const Value& format, const Value& value);

Int checked_add(Int left, Int right);
Int checked_multiply(Int left, Int right);
Int floor_divide(Int left, Int right);      // right != 0
Int floor_modulo(Int left, Int right);      // right != 0
Int checked_power(Int base, Int exponent);  // exponent >= 0
Int float_to_int(double number);            // truncates; raises for infinities and NaN

}  // namespace quire::text::jinja
