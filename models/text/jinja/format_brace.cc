// "{}".format(...) with Python's format specifications.
#include <algorithm>
#include <cmath>

#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/numbers.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/text_operations.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
struct Specification {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  std::size_t width = 0;
  char grouping = 0;
  std::int64_t precision = -1;
  char type = 0;
};

bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

std::size_t read_size(std::string_view text, std::size_t& at) {
  std::size_t size = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    size = size * 10 + static_cast<std::size_t>(text[at++] - '0');
    check_repeated_bytes(size);
  }
  return size;
}

Specification parse_specification(std::string_view text) {
  Specification spec;
  std::size_t at = 0;
  if (!text.empty()) {
    std::size_t behind = 0;
    next_code_point(text, behind);
    if (behind < text.size() && is_align(text[behind])) {
      spec.fill = text.substr(0, behind);
      spec.align = text[behind];
      at = behind + 1;
    } else if (is_align(text[0])) {
      spec.align = text[at++];
    }
  }
  const auto at_char = [&](char c) { return at < text.size() && text[at] == c; };
  if (at_char('+') || at_char('-') || at_char(' ')) spec.sign = text[at++];
  if (at_char('#')) spec.alternate = (++at, true);
  if (at_char('0')) {
    spec.zero = true;
    ++at;
  }
  spec.width = read_size(text, at);
  if (at_char(',') || at_char('_')) spec.grouping = text[at++];
  if (at_char('.')) {
    const std::size_t begin = ++at;
    spec.precision = static_cast<std::int64_t>(read_size(text, at));
    if (at == begin) raise("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) raise("Invalid format specifier '{}'", text);
  return spec;
}

std::string pad(const Specification& spec, char default_align, const std::string& prefix,
                const std::string& body) {
  const std::size_t length = prefix.size() + count_code_points(body);
  const std::size_t missing = spec.width > length ? spec.width - length : 0;
  const auto fill = [&](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += spec.fill;
    return out;
  };
  switch (spec.align != 0 ? spec.align : default_align) {
    case '<':
      return prefix + body + fill(missing);
    case '^':
      return fill(missing / 2) + prefix + body + fill(missing - missing / 2);
    case '=':
      return prefix + fill(missing) + body;
    default:
      return fill(missing) + prefix + body;
  }
}

// Separators between groups of `size` digits, counted from the right of the whole part; leading
// zeros up to `width` count as digits.
std::string group(std::string digits, char separator, std::size_t size, std::size_t width) {
  std::size_t whole = 0;
  while (whole < digits.size() && digits[whole] != '.' && digits[whole] != 'e' &&
         digits[whole] != '%') {
    ++whole;
  }
  std::string rest = digits.substr(whole);
  std::string out;
  std::size_t count = 0;
  for (std::size_t i = whole; i-- > 0;) {
    if (count > 0 && count % size == 0) out += separator;
    out += digits[i];
    ++count;
  }
  while (out.size() + rest.size() < width) {
    if (count % size == 0) out += separator;
    out += '0';
    ++count;
  }
  std::reverse(out.begin(), out.end());
  return out + rest;
}

std::string sign_of(const Specification& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

std::string finish_number(const Specification& given, const std::string& prefix, std::string digits,
                          std::size_t group_size) {
  Specification spec = given;
  if (spec.zero && spec.align == 0) {
    spec.align = '=';
    spec.fill.assign(1, '0');
  }
  if (spec.grouping != 0) {
    const bool zeros = spec.fill == "0" && spec.align == '=';
    const std::size_t width = zeros && spec.width > prefix.size() ? spec.width - prefix.size() : 0;
    digits = group(std::move(digits), spec.grouping, group_size, width);
  } else if (given.zero && given.align != 0) {
    if (given.fill == " ") spec.fill.assign(1, '0');
  }
  return pad(spec, '>', prefix, digits);
}

std::string format_integer(const Specification& spec, Int number) {
  if (spec.precision >= 0) raise("Precision not allowed in integer format specifier");
  const bool negative = number < 0;
  const auto size =
      negative ? -static_cast<unsigned __int128>(number) : static_cast<unsigned __int128>(number);
  std::string prefix = sign_of(spec, negative);
  std::string digits;
  switch (spec.type) {
    case 'b':
      digits = fmt::format("{:b}", size);
      if (spec.alternate) prefix += "0b";
      break;
    case 'o':
      digits = fmt::format("{:o}", size);
      if (spec.alternate) prefix += "0o";
      break;
    case 'x':
      digits = fmt::format("{:x}", size);
      if (spec.alternate) prefix += "0x";
      break;
    case 'X':
      digits = fmt::format("{:X}", size);
      if (spec.alternate) prefix += "0X";
      break;
    case 'c': {
      if (number < 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) {
        raise("%c arg not in range(0x110000)");
      }
      append_code_point(digits, static_cast<char32_t>(number));
      return pad(spec, '<', "", digits);
    }
    default:
      digits = fmt::format("{}", size);
  }
  const bool decimal = spec.type == 0 || spec.type == 'd' || spec.type == 'n';
  if (spec.grouping == ',' && !decimal) raise("Cannot specify ',' with '{}'.", spec.type);
  return finish_number(spec, prefix, std::move(digits), decimal ? 3 : 4);
}

std::string float_digits(const Specification& spec, double size) {
  const char type = static_cast<char>(spec.type | 0x20);
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  if (spec.type == '%') return format_fixed(size * 100, precision, 'f') + "%";
  if (spec.type != 0) {
    return format_fixed(size, type == 'g' || type == 'n' ? std::max(1, precision) : precision,
                        type == 'n' ? 'g' : type);
  }
  if (spec.precision < 0) return repr_float(size);
  // Without a type: like 'g', but with at least one digit behind the point.
  std::string digits = fmt::format("{:.{}}", size, std::max(1, precision));
  const bool scientific = digits.find('e') != std::string::npos;
  if (!scientific && digits.find('.') == std::string::npos) {
    if (static_cast<int>(digits.size()) >= std::max(1, precision) && digits.size() > 1) {
      return format_fixed(size, std::max(0, precision - 1), 'e');
    }
    digits += ".0";
  }
  return digits;
}

std::string format_float(const Specification& spec, double number) {
  static constexpr std::string_view kTypes = "eEfFgGn%";
  if (spec.type != 0 && kTypes.find(spec.type) == std::string_view::npos) {
    raise("Unknown format code '{}' for object of type 'float'", spec.type);
  }
  std::string digits = std::isnan(number)   ? "nan"
                       : std::isinf(number) ? "inf"
                                            : float_digits(spec, std::abs(number));
  if (spec.type == '%' && !std::isfinite(number)) digits += '%';
  if (spec.type >= 'A' && spec.type <= 'Z') digits = to_upper(digits);
  const bool negative = std::signbit(number) && !std::isnan(number);
  return finish_number(spec, sign_of(spec, negative), std::move(digits), 3);
}

std::string format_text(const Specification& spec, const Value& value) {
  if (spec.type != 0 && spec.type != 's') {
    raise("Unknown format code '{}' for object of type '{}'", spec.type, type_name(value));
  }
  if (spec.sign != '-' || spec.alternate || spec.grouping != 0) {
    raise("this format specifier is not allowed for a string");
  }
  if (spec.align == '=') raise("'=' alignment not allowed in string format specifier");
  std::string text = value.as_string();
  if (spec.precision >= 0) text.resize(offset_of(text, static_cast<std::size_t>(spec.precision)));
  Specification padded = spec;
  if (spec.zero && spec.align == 0) padded.fill.assign(1, '0');
  return pad(padded, '<', "", text);
}

// The fields of one format string.
class BraceFormatter {
 public:
  BraceFormatter(Interpreter& interpreter, const Value& format, const Arguments& arguments)
      : interpreter_(interpreter), markup_(format.is_markup()), arguments_(arguments) {}

  std::string run(std::string_view format, int depth) {
    if (depth < 0) raise("Max string recursion exceeded");
    std::string out;
    for (std::size_t at = 0; at < format.size();) {
      const char c = format[at];
      const bool doubled = at + 1 < format.size() && format[at + 1] == c;
      if ((c == '{' || c == '}') && doubled) {
        out += c;
        at += 2;
      } else if (c == '}') {
        raise("Single '}}' encountered in format string");
      } else if (c == '{') {
        const std::size_t end = field_end(format, at);
        out += field(format.substr(at + 1, end - at - 1), depth);
        at = end + 1;
      } else {
        out += c;
        ++at;
      }
      check_built_bytes(out.size());
    }
    return out;
  }

 private:
  static std::size_t field_end(std::string_view format, std::size_t open) {
    int depth = 0;
    for (std::size_t at = open; at < format.size(); ++at) {
      if (format[at] == '{') ++depth;
      if (format[at] == '}' && --depth == 0) return at;
    }
    raise("expected '}}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    spend(1);
    std::size_t name_end = 0;
    int brackets = 0;
    for (; name_end < text.size(); ++name_end) {
      const char c = text[name_end];
      if (c == '[') ++brackets;
      if (c == ']') --brackets;
      if (brackets <= 0 && (c == ':' || c == '!')) break;
    }
    Value value = look_up(text.substr(0, name_end));
    std::string_view rest = text.substr(name_end);
    if (!rest.empty() && rest[0] == '!') {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
        raise("expected ':' after conversion specifier");
      }
      value = converted(value, rest[1]);
      rest.remove_prefix(2);
    }
    const std::string specification = rest.empty() ? "" : run(rest.substr(1), depth - 1);
    if (!markup_) return format_value(value, specification);
    if (!value.is_markup()) return escape_html(format_value(value, specification));
    if (!specification.empty()) raise("Unsupported format specification for Markup.");
    return value.as_string();
  }

  static Value converted(const Value& value, char conversion) {
    switch (conversion) {
      case 's':
        return Value::string(to_text(value));
      case 'r':
        return Value::string(repr(value));
      case 'a':
        return format_percent(Value::string("%a"), Value::tuple({value}));
      default:
        raise("Unknown conversion specifier {}", conversion);
    }
  }

  Value first_value(std::string_view name) {
    if (name.empty()) {
      if (numbering_ == Numbering::kManual) {
        raise("cannot switch from manual field specification to automatic field numbering");
      }
      numbering_ = Numbering::kAutomatic;
      return positional(next_++);
    }
    if (name.find_first_not_of("0123456789") == std::string_view::npos) {
      if (numbering_ == Numbering::kAutomatic) {
        raise("cannot switch from automatic field numbering to manual field specification");
      }
      numbering_ = Numbering::kManual;
      const auto idx = parse_int(name, 10);
      return positional(*idx > 1'000'000 ? SIZE_MAX : static_cast<std::size_t>(*idx));
    }
    const Value* found = arguments_.find(name);
    if (found == nullptr) raise("{}", repr_text(name));
    return *found;
  }

  Value positional(std::size_t idx) const {
    if (idx >= arguments_.positional.size()) {
      raise("Replacement index {} out of range for positional args tuple", idx);
    }
    return arguments_.positional[idx];
  }

  // "name.attribute[item]"
  Value look_up(std::string_view path) {
    std::size_t at = std::min(path.find_first_of(".["), path.size());
    Value value = first_value(path.substr(0, at));
    while (at < path.size()) {
      const bool item = path[at] == '[';
      const std::size_t begin = at + 1;
      std::size_t end = item ? path.find(']', begin) : path.find_first_of(".[", begin);
      if (item && end == std::string_view::npos) raise("Missing ']' in format string");
      end = std::min(end, path.size());
      const std::string key(path.substr(begin, end - begin));
      if (key.empty()) raise("Empty attribute in format string");
      const bool number = item && key.find_first_not_of("0123456789") == std::string::npos;
      if (number) {
        value = interpreter_.get_item(value, Value::integer(*parse_int(key, 10)));
      } else {
        value = item ? interpreter_.get_item(value, Value::string(key))
                     : interpreter_.get_attribute(value, key);
      }
      at = item ? end + 1 : end;
      if (item && at < path.size() && path[at] != '.' && path[at] != '[') {
        raise("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  enum class Numbering : std::uint8_t { kUnknown, kAutomatic, kManual };
  Interpreter& interpreter_;
  bool markup_;
  const Arguments& arguments_;
  Numbering numbering_ = Numbering::kUnknown;
  std::size_t next_ = 0;
};

}  // namespace

std::string format_value(const Value& value, std::string_view specification) {
  if (specification.empty()) return to_text(value);
  if (value.is_string()) return format_text(parse_specification(specification), value);
  if (!value.is_numeric()) {
    raise("unsupported format string passed to {}.__format__", type_name(value));
  }
  const Specification spec = parse_specification(specification);
  static constexpr std::string_view kIntegerTypes = "bcdoxXn";
  const bool integer_type =
      spec.type == 0 || kIntegerTypes.find(spec.type) != std::string_view::npos;
  if (value.is_integral() && integer_type) return format_integer(spec, value.as_int());
  if (value.is_integral() && spec.type == 's')
    raise("Unknown format code 's' for object of type 'int'");
  return format_float(spec, value.as_double());
}

Value format_braces(Interpreter& interpreter, const Value& format, const Arguments& arguments) {
  return like(format, BraceFormatter(interpreter, format, arguments).run(format.as_string(), 2));
}

}  // namespace quire::text::jinja
