// The scanner: alternates between the template's text and the insides of its tags.
#include "models/text/jinja/lexer.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Longest first, so that the first match is the right one.
constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                           "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                           ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

class Scanner {
 public:
  explicit Scanner(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) scan_root();
    push(TokenKind::kEnd, source_.size());
    return std::move(tokens_);
  }

 private:
  [[noreturn]] static void fail(std::string message, std::size_t offset) {
    throw SyntaxError{std::move(message), offset};
  }

  void push(TokenKind kind, std::size_t offset, std::string text = {}, Value value = {}) {
    tokens_.push_back({kind, offset, std::move(text), std::move(value)});
  }

  bool starts(std::string_view word, std::size_t at) const {
    return source_.substr(at, word.size()) == word;
  }

  std::size_t skip_space(std::size_t at) const {
    return source_.size() - strip(source_.substr(at), Side::kLeft).size();
  }

  // The text before a tag loses the white space that the tag's sign or lstrip_blocks takes.
  void push_text(std::string_view text, char sign, bool is_variable) {
    if (sign == '-') {
      text = strip(text, Side::kRight);
    } else if (sign != '+' && !is_variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
      if ((line > 0 || line_starting_) && strip(text.substr(line)).empty()) {
        text = text.substr(0, line);
      }
    }
    if (!text.empty()) push(TokenKind::kData, at_, std::string(text));
  }

  void scan_root() {
    std::size_t tag = source_.find('{', at_);
    while (tag != std::string_view::npos && !starts("{{", tag) && !starts("{%", tag) &&
           !starts("{#", tag)) {
      tag = source_.find('{', tag + 1);
    }
    if (tag == std::string_view::npos) {
      push(TokenKind::kData, at_, std::string(source_.substr(at_)));
      at_ = source_.size();
      return;
    }
    const std::string_view text = source_.substr(at_, tag - at_);
    if (starts("{%", tag) && scan_raw(text, tag)) return;
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const bool has_sign = sign == '-' || sign == '+';
    push_text(text, has_sign ? sign : '\0', starts("{{", tag));
    at_ = tag + (has_sign ? 3 : 2);
    line_starting_ = false;
    if (starts("{#", tag)) {
      scan_comment(tag);
    } else {
      const bool variable = starts("{{", tag);
      push(variable ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, tag);
      scan_tag(variable, tag);
    }
  }

  // Behind a closing bracket: `-` takes the white space that follows, no sign (trim_blocks) one
  // newline, `+` nothing.
  void finish_tag(std::size_t end, char sign) {
    if (sign == '-') {
      end = skip_space(end);
    } else if (sign != '+' && end < source_.size() && source_[end] == '\n') {
      ++end;
    }
    line_starting_ = end > 0 && source_[end - 1] == '\n';
    at_ = end;
  }

  void scan_comment(std::size_t tag) {
    const std::size_t close = source_.find("#}", at_);
    if (close == std::string_view::npos) fail("Missing end of comment tag", tag);
    finish_tag(close + 2, close > at_ ? source_[close - 1] : '\0');
  }

  // {% raw %} ... {% endraw %}: everything between is text. False when the tag is another one.
  bool scan_raw(std::string_view text, std::size_t tag) {
    std::size_t at = tag + 2;
    const char sign = at < source_.size() ? source_[at] : '\0';
    const bool has_sign = sign == '-' || sign == '+';
    at = skip_space(at + (has_sign ? 1 : 0));
    if (!starts("raw", at)) return false;
    at = skip_space(at + 3);
    const bool strips = starts("-%}", at);
    if (!strips && !starts("%}", at)) return false;
    push_text(text, has_sign ? sign : '\0', false);
    at_ = strips ? skip_space(at + 3) : at + 2;
    line_starting_ = source_[at_ - 1] == '\n';
    scan_raw_body(tag);
    return true;
  }

  void scan_raw_body(std::size_t tag) {
    for (std::size_t open = source_.find("{%", at_); open != std::string_view::npos;
         open = source_.find("{%", open + 2)) {
      std::size_t at = open + 2;
      const char sign = at < source_.size() ? source_[at] : '\0';
      const bool has_sign = sign == '-' || sign == '+';
      at = skip_space(at + (has_sign ? 1 : 0));
      if (!starts("endraw", at)) continue;
      at = skip_space(at + 6);
      const bool signed_end = starts("-%}", at) || starts("+%}", at);
      if (!signed_end && !starts("%}", at)) continue;
      push_text(source_.substr(at_, open - at_), has_sign ? sign : '\0', false);
      finish_tag(at + (signed_end ? 3 : 2), source_[at]);
      return;
    }
    fail("Missing end of raw directive", tag);
  }

  bool scan_tag_end(bool variable) {
    const std::string_view close = variable ? "}}" : "%}";
    const bool strips = source_[at_] == '-' && starts(close, at_ + 1);
    const bool keeps = !variable && source_[at_] == '+' && starts(close, at_ + 1);
    if (!strips && !keeps && !starts(close, at_)) return false;
    push(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, at_);
    const bool trims = !variable && !strips && !keeps;
    finish_tag(at_ + (strips || keeps ? 3 : 2), strips ? '-' : (trims ? '\0' : '+'));
    return true;
  }

  void scan_tag(bool variable, std::size_t tag) {
    while (at_ < source_.size()) {
      if (open_.empty() && scan_tag_end(variable)) return;
      scan_expression_token();
    }
    fail("unexpected end of template inside a tag", tag);
  }

  void scan_expression_token() {
    if (const std::size_t next = skip_space(at_); next != at_) {
      at_ = next;
      return;
    }
    const char c = source_[at_];
    if (is_digit(c)) return scan_number();
    if (c == '"' || c == '\'') return scan_string(c);
    std::size_t end = at_;
    while (end < source_.size()) {
      std::size_t next = end;
      if (!is_identifier_part(next_code_point(source_, next))) break;
      end = next;
    }
    if (end > at_) {
      const std::string_view name = source_.substr(at_, end - at_);
      if (!is_identifier(name)) fail("Invalid character in identifier", at_);
      push(TokenKind::kName, at_, std::string(name));
      at_ = end;
      return;
    }
    scan_operator();
  }

  void scan_operator() {
    for (const std::string_view op : kOperators) {
      if (!starts(op, at_)) continue;
      balance(op[0]);
      push(TokenKind::kOperator, at_, std::string(op));
      at_ += op.size();
      return;
    }
    std::size_t next = at_;
    next_code_point(source_, next);
    fail(fmt::format("unexpected char '{}'", source_.substr(at_, next - at_)), at_);
  }

  void balance(char c) {
    if (c == '(') open_ += ')';
    if (c == '[') open_ += ']';
    if (c == '{') open_ += '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (open_.empty()) fail(fmt::format("unexpected '{}'", c), at_);
    if (open_.back() != c)
      fail(fmt::format("unexpected '{}', expected '{}'", c, open_.back()), at_);
    open_.pop_back();
  }

  void scan_string(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail(fmt::format("unexpected char '{}'", quote), at_);
    push(TokenKind::kString, at_, unescape(source_.substr(at_ + 1, end - at_ - 1), at_));
    at_ = end + 1;
  }

  // Digits with single underscores between them; returns their end.
  std::size_t digits_end(std::size_t at) const {
    while (at < source_.size() &&
           (is_digit(source_[at]) || (source_[at] == '_' && at + 1 < source_.size() &&
                                      is_digit(source_[at + 1]) && is_digit(source_[at - 1])))) {
      ++at;
    }
    return at;
  }

  bool digit_at(std::size_t at) const { return at < source_.size() && is_digit(source_[at]); }

  // The end of a float that begins here, or the start itself.
  std::size_t float_end() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return at_;
    std::size_t end = digits_end(at_);
    bool is_float = false;
    if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      end = digits_end(end + 1);
      is_float = true;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      std::size_t power = end + 1;
      if (power < source_.size() && (source_[power] == '+' || source_[power] == '-')) ++power;
      if (digit_at(power)) return digits_end(power);
    }
    return is_float ? end : at_;
  }

  static std::string without_underscores(std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c != '_') out += c;
    }
    return out;
  }

  void scan_number() {
    if (const std::size_t end = float_end(); end != at_) {
      const std::string text = without_underscores(source_.substr(at_, end - at_));
      push(TokenKind::kFloat, at_, text, Value::number(std::strtod(text.c_str(), nullptr)));
      at_ = end;
      return;
    }
    const char kind = at_ + 1 < source_.size() && source_[at_] == '0'
                          ? static_cast<char>(source_[at_ + 1] | 0x20)
                          : '\0';
    const int base = kind == 'x' ? 16 : (kind == 'o' ? 8 : (kind == 'b' ? 2 : 10));
    if (base != 10 && scan_based(base)) return;
    std::size_t end = digits_end(at_);
    if (source_[at_] == '0') {  // a decimal that begins with 0 consists of zeros
      end = at_;
      while (end < source_.size() &&
             (source_[end] == '0' || (source_[end] == '_' && end + 1 < source_.size() &&
                                      source_[end + 1] == '0' && source_[end - 1] == '0'))) {
        ++end;
      }
    }
    push_integer(end, 0, 10);
  }

  bool scan_based(int base) {
    const auto digit = [base](char c) {
      const int value = is_digit(c) ? c - '0' : ((c | 0x20) >= 'a' ? (c | 0x20) - 'a' + 10 : 99);
      return value < base;
    };
    std::size_t end = at_ + 2;
    while (end < source_.size() &&
           (digit(source_[end]) ||
            (source_[end] == '_' && end + 1 < source_.size() && digit(source_[end + 1])))) {
      ++end;
    }
    if (end == at_ + 2) return false;
    push_integer(end, 2, base);
    return true;
  }

  void push_integer(std::size_t end, std::size_t skip, int base) {
    Int value = 0;
    for (const char c : without_underscores(source_.substr(at_ + skip, end - at_ - skip))) {
      const int digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
      if (value > (Int{1} << 121)) fail("an integer exceeds 127 bits", at_);
      value = value * base + digit;
    }
    push(TokenKind::kInteger, at_, std::string(source_.substr(at_, end - at_)),
         Value::integer(value));
    at_ = end;
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool line_starting_ = true;  // nothing but a newline before at_
  std::string open_;           // the brackets that still have to close, innermost last
  std::vector<Token> tokens_;
};

void append_escaped_value(std::string& out, unsigned long value, std::size_t offset) {
  if (value > 0x10FFFF) throw SyntaxError{"illegal Unicode character", offset};
  if (value >= 0xD800 && value <= 0xDFFF) {
    throw SyntaxError{"a lone surrogate cannot be written in UTF-8", offset};
  }
  append_code_point(out, static_cast<char32_t>(value));
}

// \xhh, \uhhhh, \Uhhhhhhhh: `digits` hexadecimal digits at text[at]; returns the offset behind.
std::size_t unescape_hex(std::string_view text, std::size_t at, std::size_t digits,
                         std::string& out, std::size_t offset) {
  unsigned long value = 0;
  const auto* begin = text.data() + at;
  const auto* end = begin + std::min(digits, text.size() - at);
  const auto parsed = std::from_chars(begin, end, value, 16);
  if (parsed.ptr != begin + digits) throw SyntaxError{"truncated escape in a string", offset};
  append_escaped_value(out, value, offset);
  return at + digits;
}

// One escape at text[at], which follows the backslash; returns the offset behind it.
std::size_t unescape_one(std::string_view text, std::size_t at, std::string& out,
                         std::size_t offset) {
  static constexpr std::string_view kFrom = "\\'\"abfnrtv";
  static constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
  const char c = text[at];
  if (const auto found = kFrom.find(c); found != std::string_view::npos) {
    out += kTo[found];
    return at + 1;
  }
  if (c == '\n') return at + 1;
  if (c == 'x') return unescape_hex(text, at + 1, 2, out, offset);
  if (c == 'u') return unescape_hex(text, at + 1, 4, out, offset);
  if (c == 'U') return unescape_hex(text, at + 1, 8, out, offset);
  if (c == 'N') {
    const std::size_t close = text.find('}', at);
    if (at + 1 >= text.size() || text[at + 1] != '{' || close == std::string_view::npos) {
      throw SyntaxError{"malformed \\N character escape", offset};
    }
    const char32_t named = named_code_point(text.substr(at + 2, close - at - 2));
    if (named == 0) throw SyntaxError{"unknown Unicode character name", offset};
    append_code_point(out, named);
    return close + 1;
  }
  if (c >= '0' && c <= '7') {
    unsigned long value = 0;
    std::size_t end = at;
    while (end < text.size() && end < at + 3 && text[end] >= '0' && text[end] <= '7') {
      value = value * 8 + static_cast<unsigned long>(text[end++] - '0');
    }
    append_escaped_value(out, value, offset);
    return end;
  }
  // Python escapes what is not ASCII before it reads the escapes, so that "\é" becomes "\\xe9".
  std::size_t next = at;
  const auto code_point = static_cast<unsigned>(next_code_point(text, next));
  out += '\\';
  if (code_point < 0x80) {
    out += c;
  } else {
    out += code_point <= 0xFF     ? fmt::format("x{:02x}", code_point)
           : code_point <= 0xFFFF ? fmt::format("u{:04x}", code_point)
                                  : fmt::format("U{:08x}", code_point);
  }
  return next;
}

}  // namespace

std::string normalize_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string unescape(std::string_view quoted, std::size_t offset) {
  std::string out;
  for (std::size_t at = 0; at < quoted.size();) {
    if (quoted[at] != '\\') {
      out += quoted[at++];
    } else if (at + 1 == quoted.size()) {
      throw SyntaxError{"\\ at end of string", offset};
    } else {
      at = unescape_one(quoted, at + 1, out, offset);
    }
  }
  return out;
}

std::vector<Token> tokenize(std::string_view source) { return Scanner(source).run(); }

}  // namespace quire::text::jinja
