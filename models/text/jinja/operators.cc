// Arithmetic with Python's rules.
#include "models/text/jinja/operators.h"

#include <cmath>

#include "models/text/jinja/object.h"
#include "models/text/jinja/repr.h"

namespace quire::text::jinja {
namespace {

[[noreturn]] void raise_unsupported(Operator op, const Value& left, const Value& right) {
  if (op == Operator::kAdd && left.is_string()) {
    raise("can only concatenate str (not \"{}\") to str", type_name(right));
  }
  if (op == Operator::kAdd && left.is_list_or_tuple()) {
    raise("can only concatenate {0} (not \"{1}\") to {0}", type_name(left), type_name(right));
  }
  raise("unsupported operand type(s) for {}: '{}' and '{}'", symbol_of(op), type_name(left),
        type_name(right));
}

Value repeat(const Value& sequence, const Value& count_value) {
  const std::int64_t count = std::max<std::int64_t>(0, to_index(count_value, "a repetition"));
  if (sequence.is_string()) {
    const std::string& text = sequence.as_string();
    if (text.empty() || count == 0) return Value::string("");
    if (count > static_cast<std::int64_t>(SIZE_MAX / 2 / text.size()))
      check_repeated_bytes(SIZE_MAX);
    check_repeated_bytes(text.size() * static_cast<std::size_t>(count));
    std::string out;
    out.reserve(text.size() * static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) out += text;
    return sequence.is_markup() ? Value::markup(std::move(out)) : Value::string(std::move(out));
  }
  const Values& items = sequence.items();
  Values out;
  for (std::int64_t i = 0; i < count && !items.empty(); ++i) {
    spend(static_cast<std::int64_t>(items.size()));
    out.insert(out.end(), items.begin(), items.end());
  }
  return sequence.is(Kind::kList) ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

Value concatenate(const Value& left, const Value& right) {
  if (left.is_string() && right.is_string()) {
    if (left.is_markup() || right.is_markup()) {
      return Value::markup(escape_value(left).as_string() + escape_value(right).as_string());
    }
    spend_built_bytes(left.as_string().size() + right.as_string().size());
    return Value::string(left.as_string() + right.as_string());
  }
  if (left.is_list_or_tuple() && left.kind() == right.kind()) {
    spend(static_cast<std::int64_t>(left.items().size() + right.items().size()));
    Values out = left.items();
    out.insert(out.end(), right.items().begin(), right.items().end());
    return left.is(Kind::kList) ? Value::list(std::move(out)) : Value::tuple(std::move(out));
  }
  raise_unsupported(Operator::kAdd, left, right);
}

double float_modulo(double left, double right) {
  double result = std::fmod(left, right);
  if (result != 0) {
    if ((right < 0) != (result < 0)) result += right;
  } else {
    result = std::copysign(0.0, right);
  }
  return result;
}

double float_floor_divide(double left, double right) {
  const double remainder = std::fmod(left, right);
  double quotient = (left - remainder) / right;
  if (remainder != 0 && (right < 0) != (remainder < 0)) quotient -= 1.0;
  if (quotient == 0) return std::copysign(0.0, left / right);
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1.0;
  return floored;
}

Value float_power(double base, double exponent) {
  if (base == 0 && exponent < 0) raise("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && exponent != std::floor(exponent)) {
    raise("a negative number raised to a fractional power is complex, which is not supported");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) {
    raise("(34, 'Numerical result out of range')");
  }
  return Value::number(result);
}

Value apply_int(Operator op, Int left, Int right) {
  switch (op) {
    case Operator::kAdd:
      return Value::integer(checked_add(left, right));
    case Operator::kSubtract: {
      Int result = 0;
      if (__builtin_sub_overflow(left, right, &result)) raise("an integer exceeds 127 bits");
      return Value::integer(result);
    }
    case Operator::kMultiply:
      return Value::integer(checked_multiply(left, right));
    case Operator::kDivide:
      if (right == 0) raise("division by zero");
      return Value::number(static_cast<double>(left) / static_cast<double>(right));
    case Operator::kFloorDivide:
      if (right == 0) raise("integer division or modulo by zero");
      return Value::integer(floor_divide(left, right));
    case Operator::kModulo:
      if (right == 0) raise("integer modulo by zero");
      return Value::integer(floor_modulo(left, right));
    case Operator::kPower:
      if (right < 0) return float_power(static_cast<double>(left), static_cast<double>(right));
      return Value::integer(checked_power(left, right));
  }
  return {};
}

Value apply_float(Operator op, double left, double right) {
  switch (op) {
    case Operator::kAdd:
      return Value::number(left + right);
    case Operator::kSubtract:
      return Value::number(left - right);
    case Operator::kMultiply:
      return Value::number(left * right);
    case Operator::kDivide:
      if (right == 0) raise("float division by zero");
      return Value::number(left / right);
    case Operator::kFloorDivide:
      if (right == 0) raise("float floor division by zero");
      return Value::number(float_floor_divide(left, right));
    case Operator::kModulo:
      if (right == 0) raise("float modulo");
      return Value::number(float_modulo(left, right));
    case Operator::kPower:
      return float_power(left, right);
  }
  return {};
}

bool is_sequence(const Value& value) { return value.is_string() || value.is_list_or_tuple(); }

}  // namespace

const char* symbol_of(Operator op) {
  static constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
  return kSymbols[static_cast<int>(op)];
}

Int checked_add(Int left, Int right) {
  Int result = 0;
  if (__builtin_add_overflow(left, right, &result)) raise("an integer exceeds 127 bits");
  return result;
}

Int checked_multiply(Int left, Int right) {
  // Not __builtin_mul_overflow: clang needs a library of its own for 128 bits.
  using Magnitude = unsigned __int128;
  if (left == 0 || right == 0) return 0;
  const auto size = [](Int value) {
    return value < 0 ? Magnitude{0} - static_cast<Magnitude>(value) : static_cast<Magnitude>(value);
  };
  if (size(left) > (~Magnitude{0} >> 1) / size(right)) raise("an integer exceeds 127 bits");
  return left * right;
}

Int floor_divide(Int left, Int right) {
  if (right == -1) return checked_multiply(left, -1);
  const Int quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

Int floor_modulo(Int left, Int right) {
  if (right == -1) return 0;
  const Int remainder = left % right;
  return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
}

Int checked_power(Int base, Int exponent) {
  if (base == 1 || exponent == 0) return 1;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  if (base == 0) return 0;
  if (exponent > 127) raise("an integer exceeds 127 bits");
  Int result = 1;
  for (Int i = 0; i < exponent; ++i) result = checked_multiply(result, base);
  return result;
}

Int float_to_int(double number) {
  if (std::isnan(number)) raise("cannot convert float NaN to integer");
  if (std::isinf(number)) raise("cannot convert float infinity to integer");
  if (std::abs(number) >= 0x1p126) raise("an integer exceeds 127 bits");
  return static_cast<Int>(number);
}

Value apply(Operator op, const Value& left, const Value& right) {
  if (op == Operator::kModulo && left.is_string()) return format_percent(left, right);
  require_defined(left);
  require_defined(right);
  if (left.is_integral() && right.is_integral()) {
    return apply_int(op, left.as_int(), right.as_int());
  }
  if (left.is_numeric() && right.is_numeric()) {
    return apply_float(op, left.as_double(), right.as_double());
  }
  if (op == Operator::kAdd && is_sequence(left)) return concatenate(left, right);
  if (op == Operator::kMultiply) {
    if (is_sequence(left) && right.is_integral()) return repeat(left, right);
    if (is_sequence(right) && left.is_integral()) return repeat(right, left);
    if (is_sequence(left) || is_sequence(right)) {
      raise("can't multiply sequence by non-int of type '{}'",
            type_name(is_sequence(left) ? right : left));
    }
  }
  raise_unsupported(op, left, right);
}

Value negate(const Value& value) {
  require_defined(value);
  if (value.is_integral()) return Value::integer(checked_multiply(value.as_int(), -1));
  if (value.is(Kind::kFloat)) return Value::number(-value.as_double());
  raise("bad operand type for unary -: '{}'", type_name(value));
}

Value plus(const Value& value) {
  require_defined(value);
  if (value.is_integral()) return Value::integer(value.as_int());
  if (value.is(Kind::kFloat)) return value;
  raise("bad operand type for unary +: '{}'", type_name(value));
}

void require_defined(const Value& value) {
  if (value.is_undefined()) raise("{}", value.undefined_message());
}

std::int64_t to_index(const Value& value, std::string_view what) {
  require_defined(value);
  if (!value.is_integral()) {
    raise("{} must be an integer, not '{}'", what, type_name(value));
  }
  const Int number = value.as_int();
  if (number > INT64_MAX) return INT64_MAX;
  return number < INT64_MIN ? INT64_MIN : static_cast<std::int64_t>(number);
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Value escape_value(const Value& value) {
  return value.is_markup() ? value : Value::markup(escape_html(to_text(value)));
}

}  // namespace quire::text::jinja
