// "text" % values: Python's printf.
#include <cmath>

#include "models/text/jinja/numbers.h"
#include "models/text/jinja/object.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

struct Conversion {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(const Value& format, const Value& values)
      : format_(format.as_string()), markup_(format.is_markup()), values_(values) {}

  std::string run() {
    while (at_ < format_.size()) {
      const std::size_t percent = format_.find('%', at_);
      if (percent == std::string_view::npos) break;
      out_ += format_.substr(at_, percent - at_);
      at_ = percent + 1;
      convert();
      check_built_bytes(out_.size());
    }
    out_ += format_.substr(at_);
    const bool positional = values_.is(Kind::kTuple);
    const bool unused = positional ? next_ < values_.items().size() : next_ == 0;
    // What Python can subscript, but no string, may stay unused.
    const bool range =
        values_.is(Kind::kObject) && dynamic_cast<const Range*>(&values_.as_object()) != nullptr;
    const bool mapping =
        values_.is(Kind::kDict) || values_.is(Kind::kList) || values_.is_undefined() || range;
    if (unused && (positional || !mapping) && !keyed_) {
      raise("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  char peek() const {
    if (at_ >= format_.size()) raise("incomplete format");
    return format_[at_];
  }

  const Value& next_value() {
    if (values_.is(Kind::kTuple)) {
      if (next_ >= values_.items().size()) raise("not enough arguments for format string");
      return values_.items()[next_++];
    }
    if (next_++ > 0) raise("not enough arguments for format string");
    return values_;
  }

  // (name) of %(name)s.
  std::optional<Value> keyed_value() {
    if (peek() != '(') return std::nullopt;
    int depth = 1;
    const std::size_t begin = ++at_;
    for (; depth > 0; ++at_) {
      if (at_ >= format_.size()) raise("incomplete format key");
      depth += format_[at_] == '(' ? 1 : (format_[at_] == ')' ? -1 : 0);
    }
    require_defined(values_);
    if (!values_.is(Kind::kDict)) raise("format requires a mapping");
    keyed_ = true;
    const std::string_view key = format_.substr(begin, at_ - 1 - begin);
    const Value* found = values_.as_dict().find(key);
    if (found == nullptr) raise("{}", repr_text(key));
    return *found;
  }

  std::int64_t read_number() {
    if (peek() == '*') {
      ++at_;
      return to_index(next_value(), "the * of a format");
    }
    std::int64_t number = 0;
    while (at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9') {
      number = number * 10 + (format_[at_++] - '0');
      check_repeated_bytes(static_cast<std::size_t>(number));
    }
    return number;
  }

  void convert() {
    std::optional<Value> keyed = keyed_value();
    Conversion conversion;
    for (bool flag = true; flag;) {
      switch (peek()) {
        case '-':
          conversion.left = true;
          break;
        case '+':
          conversion.plus = true;
          break;
        case ' ':
          conversion.space = true;
          break;
        case '#':
          conversion.alternate = true;
          break;
        case '0':
          conversion.zero = true;
          break;
        default:
          flag = false;
      }
      at_ += flag;
    }
    conversion.width = read_number();
    if (conversion.width < 0) {
      conversion.left = true;
      conversion.width = -conversion.width;
    }
    check_repeated_bytes(static_cast<std::size_t>(conversion.width));
    if (peek() == '.') {
      ++at_;
      conversion.precision = at_ < format_.size() ? std::max<std::int64_t>(0, read_number()) : 0;
      check_repeated_bytes(static_cast<std::size_t>(conversion.precision));
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') ++at_;
    conversion.type = peek();
    ++at_;
    if (conversion.type == '%') {
      out_ += '%';
      return;
    }
    const Value value = keyed ? *std::move(keyed) : next_value();
    print(conversion, value);
  }

  void print(const Conversion& conversion, const Value& value) {
    switch (conversion.type) {
      case 's':
      case 'r':
      case 'a':
        return print_text(conversion, value);
      case 'c':
        return pad(conversion, "", character(value));
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X':
        return print_integer(conversion, value);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return print_float(conversion, value);
      default:
        raise("unsupported format character '{}'", conversion.type);
    }
  }

  void print_text(const Conversion& conversion, const Value& value) {
    std::string text;
    if (conversion.type == 's') {
      text = markup_ ? escape_value(value).as_string() : to_text(value);
    } else {
      text = repr(value);
      if (markup_) text = escape_html(text);
    }
    if (conversion.type == 'a') text = ascii_only(text);
    if (conversion.precision >= 0) {
      text.resize(offset_of(text, static_cast<std::size_t>(conversion.precision)));
    }
    Conversion padded = conversion;
    padded.zero = false;
    pad(padded, "", text);
  }

  static std::string ascii_only(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const auto c = static_cast<unsigned>(next_code_point(text, at));
      if (c < 0x80) {
        out += static_cast<char>(c);
      } else {
        out += c <= 0xFF     ? fmt::format("\\x{:02x}", c)
               : c <= 0xFFFF ? fmt::format("\\u{:04x}", c)
                             : fmt::format("\\U{:08x}", c);
      }
    }
    return out;
  }

  static std::string character(const Value& value) {
    if (value.is_string()) {
      if (value.code_points() != 1) raise("%c requires int or char");
      return value.as_string();
    }
    const std::int64_t code = to_index(value, "%c");
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      raise("%c arg not in range(0x110000)");
    }
    std::string out;
    append_code_point(out, static_cast<char32_t>(code));
    return out;
  }

  void print_integer(const Conversion& conversion, const Value& value) {
    require_defined(value);
    const bool decimal = conversion.type == 'd' || conversion.type == 'i' || conversion.type == 'u';
    if (!value.is_integral() && !(decimal && value.is(Kind::kFloat))) {
      raise("%{} format: {} is required, not {}", conversion.type,
            decimal ? "a real number" : "an integer", type_name(value));
    }
    const Int number = value.is_integral() ? value.as_int() : float_to_int(value.as_double());
    const bool negative = number < 0;
    const auto size =
        negative ? -static_cast<unsigned __int128>(number) : static_cast<unsigned __int128>(number);
    std::string digits;
    std::string prefix = sign(conversion, negative);
    if (conversion.type == 'o') {
      digits = fmt::format("{:o}", size);
      if (conversion.alternate) prefix += "0o";
    } else if (conversion.type == 'x' || conversion.type == 'X') {
      digits = conversion.type == 'x' ? fmt::format("{:x}", size) : fmt::format("{:X}", size);
      if (conversion.alternate) prefix += conversion.type == 'x' ? "0x" : "0X";
    } else {
      digits = fmt::format("{}", size);
    }
    if (static_cast<std::int64_t>(digits.size()) < conversion.precision) {
      digits.insert(0, static_cast<std::size_t>(conversion.precision) - digits.size(), '0');
    }
    pad(conversion, prefix, digits);
  }

  static std::string sign(const Conversion& conversion, bool negative) {
    if (negative) return "-";
    return conversion.plus ? "+" : (conversion.space ? " " : "");
  }

  void print_float(const Conversion& conversion, const Value& value) {
    require_defined(value);
    if (!value.is_numeric()) raise("must be real number, not {}", type_name(value));
    const double number = value.as_double();
    std::string digits;
    if (std::isfinite(number)) {
      const int precision = conversion.precision < 0 ? 6 : static_cast<int>(conversion.precision);
      const char type = static_cast<char>(conversion.type | 0x20);
      digits =
          format_fixed(std::abs(number), type == 'g' ? std::max(1, precision) : precision, type);
    } else {
      digits = std::isnan(number) ? "nan" : "inf";
    }
    if (conversion.type < 'a') digits = to_upper(digits);
    pad(conversion, sign(conversion, std::signbit(number) && !std::isnan(number)), digits);
  }

  void pad(const Conversion& conversion, const std::string& prefix, const std::string& text) {
    const std::size_t length = prefix.size() + count_code_points(text);
    const auto width = static_cast<std::size_t>(conversion.width);
    const std::size_t missing = width > length ? width - length : 0;
    if (conversion.left) {
      out_.append(prefix).append(text).append(missing, ' ');
    } else if (conversion.zero) {
      out_.append(prefix).append(missing, '0').append(text);
    } else {
      out_.append(missing, ' ').append(prefix).append(text);
    }
  }

  std::string_view format_;
  bool markup_;
  const Value& values_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  bool keyed_ = false;
  std::string out_;
};

}  // namespace

Value format_percent(const Value& format, const Value& value) {
  std::string text = PercentFormatter(format, value).run();
  return format.is_markup() ? Value::markup(std::move(text)) : Value::string(std::move(text));
}

}  // namespace quire::text::jinja
