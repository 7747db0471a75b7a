// str() and repr(), bounded in size and depth as they grow.
#include "models/text/jinja/repr.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/text/jinja/object.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// Depth of namespaces inside each other, which may be cyclic, unlike containers.
thread_local int repr_depth = 0;

class DepthGuard {
 public:
  DepthGuard() {
    if (++repr_depth > kMaxValueDepth) {
      --repr_depth;
      raise("a value to print nests deeper than {}", kMaxValueDepth);
    }
  }
  ~DepthGuard() { --repr_depth; }
};

void append_repr(std::string& out, const Value& value);

void append_items(std::string& out, const Values& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(out, items[i]);
  }
}

void append_repr(std::string& out, const Value& value) {
  const DepthGuard guard;
  spend(1);
  switch (value.kind()) {
    case Kind::kUndefined:
      out += "Undefined";
      break;
    case Kind::kString:
      out += value.is_markup() ? fmt::format("Markup({})", repr_text(value.as_string()))
                               : repr_text(value.as_string());
      break;
    case Kind::kList:
      out += '[';
      append_items(out, value.items());
      out += ']';
      break;
    case Kind::kTuple:
      out += '(';
      append_items(out, value.items());
      out += value.items().size() == 1 ? ",)" : ")";
      break;
    case Kind::kDict: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : value.as_dict().entries()) {
        if (!first) out += ", ";
        first = false;
        append_repr(out, key);
        out += ": ";
        append_repr(out, member);
      }
      out += '}';
      break;
    }
    default:
      out += to_text(value);
  }
  check_built_bytes(out.size());
}

}  // namespace

std::string repr_int(Int number) { return fmt::format("{}", number); }

std::string repr_float(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<std::size_t>(end.ptr - buffer));
  std::string out;
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  if (const auto dot = digits.find('.'); dot != std::string::npos) digits.erase(dot, 1);
  int exponent = 0;
  const std::string_view power = text.substr(text[e + 1] == '+' ? e + 2 : e + 1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out.append(1, '.').append(digits, 1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return fmt::format("{}0.{:0>{}}", out, digits, count - exponent - 1);
  if (count <= exponent + 1) {
    return out + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  }
  const auto whole = static_cast<std::size_t>(exponent + 1);
  return out.append(digits, 0, whole).append(1, '.').append(digits, whole);
}

std::string repr_text(std::string_view text) {
  const bool single = text.find('\'') != std::string_view::npos;
  const bool both = single && text.find('"') != std::string_view::npos;
  const char quote = single && !both ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c >= 0x20 && c < 0x7F) {
      out += static_cast<char>(c);
    } else if (c >= 0x80 && is_printable(c)) {
      out += text.substr(start, at - start);
    } else if (c <= 0xFF) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if (c <= 0xFFFF) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<unsigned>(c));
    }
  }
  return out += quote;
}

std::string repr(const Value& value) {
  std::string out;
  append_repr(out, value);
  return out;
}

std::string to_text(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "";
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.as_bool() ? "True" : "False";
    case Kind::kInt:
      return repr_int(value.as_int());
    case Kind::kFloat:
      return repr_float(value.as_double());
    case Kind::kString:
      return value.as_string();
    case Kind::kObject:
      return value.as_object().repr();
    default:
      return repr(value);
  }
}

}  // namespace quire::text::jinja
