// Filters on numbers: int, float, abs, round, filesizeformat.
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/numbers.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// Digits with single underscores between them, without those; nothing when they stand elsewhere.
std::optional<std::string> drop_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto alnum = [](char c) {
      return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    };
    if (i == 0 || i + 1 == text.size() || !alnum(text[i - 1]) || !alnum(text[i + 1])) {
      return std::nullopt;
    }
  }
  return out;
}

Value filter_int(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("int", arguments, {"default", "base"});
  const Value fallback = bound.get(0, Value::integer(0));
  require_defined(input);
  if (input.is_integral()) return Value::integer(input.as_int());
  if (input.is(Kind::kFloat)) {
    if (std::isnan(input.as_double())) return fallback;
    return Value::integer(float_to_int(input.as_double()));
  }
  if (!input.is_string()) return fallback;
  const std::int64_t base = bound.integer(1, 10);
  if (base == 0 || (base >= 2 && base <= 36)) {
    const auto parsed = parse_int(input.as_string(), static_cast<int>(base));
    if (parsed) return Value::integer(*parsed);
  }
  const auto number = parse_float(input.as_string());
  if (!number || !std::isfinite(*number)) return fallback;
  return Value::integer(float_to_int(*number));
}

Value filter_float(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("float", arguments, {"default"});
  require_defined(input);
  if (input.is_numeric()) return Value::number(input.as_double());
  const auto parsed = input.is_string() ? parse_float(input.as_string()) : std::nullopt;
  return parsed ? Value::number(*parsed) : bound.get(0, Value::number(0));
}

Value filter_abs(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("abs", arguments, {});
  if (input.is_integral()) return input.as_int() < 0 ? negate(input) : plus(input);
  if (input.is(Kind::kFloat)) return Value::number(std::abs(input.as_double()));
  raise("bad operand type for abs(): '{}'", type_name(input));
}

Int round_int(Int number, std::int64_t digits) {
  if (digits >= 0) return number;
  if (digits < -38) return 0;
  const Int unit = checked_power(10, -digits);
  const Int low = checked_multiply(floor_divide(number, unit), unit);
  const Int rest = number - low;
  const bool odd = (low / unit) % 2 != 0;
  return rest * 2 > unit || (rest * 2 == unit && odd) ? checked_add(low, unit) : low;
}

Value filter_round(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("round", arguments, {"precision", "method"});
  const std::string method = bound.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    raise("method must be common, ceil or floor");
  }
  if (!input.is_numeric()) {
    raise("type {} doesn't define __round__ method", type_name(input));
  }
  const bool whole = bound.has(0) && bound.at(0).is_none();
  const std::int64_t digits = bound.integer_or_none(0, 0);
  if (method == "common") {
    if (input.is_integral()) return Value::integer(round_int(input.as_int(), digits));
    const double rounded = round_half_even(input.as_double(), digits);
    return whole ? Value::integer(float_to_int(rounded)) : Value::number(rounded);
  }
  const Value scale = apply(Operator::kPower, Value::integer(10), Value::integer(digits));
  const Value scaled = apply(Operator::kMultiply, input, scale);
  const double number = scaled.as_double();
  const Value edge =
      scaled.is_integral()
          ? scaled
          : Value::integer(float_to_int(method == "ceil" ? std::ceil(number) : std::floor(number)));
  return apply(Operator::kDivide, edge, scale);
}

Value filter_filesizeformat(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("filesizeformat", arguments, {"binary"});
  const bool binary = bound.flag(0, false);
  std::optional<double> bytes;
  if (input.is_numeric()) bytes = input.as_double();
  if (input.is_string()) bytes = parse_float(input.as_string());
  if (!bytes) raise("filesizeformat() needs a number, not '{}'", type_name(input));
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return Value::string("1 Byte");
  if (*bytes < base) return Value::string(fmt::format("{} Bytes", float_to_int(*bytes)));
  static constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  std::string text;
  for (const char prefix : kPrefixes) {
    unit *= base;
    text = format_fixed(base * *bytes / unit, 1, 'f') + " " +
           (binary ? std::string(1, prefix == 'k' ? 'K' : prefix) + "iB"
                   : std::string(1, prefix) + "B");
    if (*bytes < unit) break;
  }
  return Value::string(std::move(text));
}

}  // namespace

std::optional<Int> parse_int(std::string_view text, int base) {
  text = strip(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const char kind = text.size() > 1 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int prefix_base = kind == 'x' ? 16 : (kind == 'o' ? 8 : (kind == 'b' ? 2 : 0));
  const bool has_prefix = prefix_base != 0 && (base == prefix_base || base == 0);
  const bool zero_only = text.find_first_not_of("0_") == std::string_view::npos;
  if (has_prefix) {
    text.remove_prefix(2);
    if (!text.empty() && text[0] == '_') text.remove_prefix(1);
    base = prefix_base;
  } else if (base == 0) {
    if (text.size() > 1 && text[0] == '0' && !zero_only) return std::nullopt;
    base = 10;
  }
  const auto digits = drop_underscores(text);
  if (!digits || digits->empty()) return std::nullopt;
  Int value = 0;
  for (std::size_t at = 0; at < digits->size();) {
    const char32_t c = next_code_point(*digits, at);
    const int digit = digit_value(c);
    if (digit < 0 || digit >= base) return std::nullopt;
    value = checked_add(checked_multiply(value, base), digit);
  }
  return negative ? -value : value;
}

std::optional<double> parse_float(std::string_view text) {
  text = strip(text);
  const auto plain = drop_underscores(text);
  if (!plain || plain->empty()) return std::nullopt;
  const std::string lower = to_lower(*plain);
  const std::string_view body =
      std::string_view(lower).substr(lower[0] == '-' || lower[0] == '+' ? 1 : 0);
  if (body != "inf" && body != "infinity" && body != "nan" &&
      (body.empty() || body.find_first_not_of("0123456789.e+-") != std::string_view::npos)) {
    return std::nullopt;
  }
  char* end = nullptr;
  const double number = std::strtod(lower.c_str(), &end);
  if (end != lower.c_str() + lower.size()) return std::nullopt;
  return number;
}

std::string format_fixed(double number, int precision, char type) {
  switch (type) {
    case 'e':
      return fmt::format("{:.{}e}", number, precision);
    case 'g':
      return fmt::format("{:.{}g}", number, precision);
    default:
      return fmt::format("{:.{}f}", number, precision);
  }
}

double round_half_even(double number, std::int64_t digits) {
  if (!std::isfinite(number) || digits > 323) return number;
  if (digits < -308) return std::copysign(0.0, number);
  if (digits >= 0) {
    // The decimal expansion is exact, so formatting rounds as if on paper.
    return std::strtod(format_fixed(number, static_cast<int>(digits), 'f').c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-digits));
  const double quotient = number / unit;
  double rounded = std::nearbyint(quotient);
  if (std::abs(quotient - std::trunc(quotient)) == 0.5) rounded = 2 * std::nearbyint(quotient / 2);
  return rounded * unit;
}

const FilterTable& number_filters() {
  static const FilterTable kTable = {
      {"int", filter_int},
      {"float", filter_float},
      {"abs", filter_abs},
      {"round", filter_round},
      {"filesizeformat", filter_filesizeformat},
  };
  return kTable;
}

}  // namespace quire::text::jinja
