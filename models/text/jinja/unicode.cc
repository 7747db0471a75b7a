// Python's str operations on UTF-8, on ICU's tables.
#include "models/text/jinja/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/stringoptions.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "models/text/jinja/budget.h"

namespace quire::text::jinja {
namespace {

// Unassigned characters of Unicode 15 and later are not printable to Python 3.11.
constexpr std::uint8_t kPythonUnicodeMajor = 14;

template <class Predicate>
bool all_of_text(std::string_view text, Predicate predicate) {
  if (text.empty()) return false;
  for (std::size_t at = 0; at < text.size();) {
    if (!predicate(next_code_point(text, at))) return false;
  }
  return true;
}

template <class Map>
std::string map_case(std::string_view text, Map map) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  map(icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())), sink, status);
  if (U_FAILURE(status)) raise("case mapping failed: {}", u_errorName(status));
  return out;
}

// One code point in title case; Python maps the first of a word this way and lowers the others.
std::string title_code_point(char32_t code_point) {
  std::string one;
  append_code_point(one, code_point);
  return map_case(one, [](auto piece, auto& sink, auto& status) {
    icu::CaseMap::utf8ToTitle("", U_TITLECASE_NO_LOWERCASE | U_TITLECASE_NO_BREAK_ADJUSTMENT,
                              nullptr, piece, sink, nullptr, status);
  });
}

bool is_cased(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED); }

int type_of(char32_t c) { return u_charType(static_cast<UChar32>(c)); }

bool is_alpha(char32_t c) {
  const int type = type_of(c);
  return type == U_UPPERCASE_LETTER || type == U_LOWERCASE_LETTER || type == U_TITLECASE_LETTER ||
         type == U_MODIFIER_LETTER || type == U_OTHER_LETTER;
}

int numeric_type(char32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE);
}

bool is_digit(char32_t c) {
  return numeric_type(c) == U_NT_DECIMAL || numeric_type(c) == U_NT_DIGIT;
}

bool is_numeric(char32_t c) { return numeric_type(c) != U_NT_NONE; }

}  // namespace

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

char32_t next_code_point(std::string_view text, std::size_t& offset) {
  const auto lead = static_cast<unsigned char>(text[offset]);
  if (lead < 0x80) {
    ++offset;
    return lead;
  }
  UChar32 code_point = 0;
  auto at = static_cast<std::int32_t>(offset);
  U8_NEXT_OR_FFFD(text.data(), at, static_cast<std::int32_t>(text.size()), code_point);
  offset = static_cast<std::size_t>(at);
  return static_cast<char32_t>(code_point);
}

void append_code_point(std::string& out, char32_t code_point) {
  char bytes[U8_MAX_LENGTH];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, static_cast<UChar32>(code_point));
  out.append(bytes, static_cast<std::size_t>(size));
}

bool valid_utf8(std::string_view text) {
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    UChar32 code_point = 0;
    U8_NEXT(text.data(), at, size, code_point);
    if (code_point < 0) return false;
  }
  return true;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t offset_of(std::string_view text, std::size_t code_point_idx) {
  std::size_t offset = 0;
  for (; offset < text.size(); ++offset) {
    const bool starts = (static_cast<unsigned char>(text[offset]) & 0xC0) != 0x80;
    if (starts && code_point_idx-- == 0) break;
  }
  return offset;
}

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (type_of(c)) {
    case U_UNASSIGNED:
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_PRIVATE_USE_CHAR:
    case U_SURROGATE:
    case U_SPACE_SEPARATOR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
      return false;
    default:
      break;
  }
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= kPythonUnicodeMajor;
}

bool is_identifier_start(char32_t c) {
  return c == '_' || u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_XID_START);
}

bool is_identifier_part(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_XID_CONTINUE);
}

bool is_word(char32_t c) { return c == '_' || is_alpha(c) || is_numeric(c); }

std::string to_upper(std::string_view text) {
  return map_case(text, [](auto piece, auto& sink, auto& status) {
    icu::CaseMap::utf8ToUpper("", 0, piece, sink, nullptr, status);
  });
}

std::string to_lower(std::string_view text) {
  return map_case(text, [](auto piece, auto& sink, auto& status) {
    icu::CaseMap::utf8ToLower("", 0, piece, sink, nullptr, status);
  });
}

std::string fold_case(std::string_view text) {
  return map_case(text, [](auto piece, auto& sink, auto& status) {
    icu::CaseMap::utf8Fold(0, piece, sink, nullptr, status);
  });
}

std::string to_title(std::string_view text) {
  // Lowering the whole text first keeps what depends on neighbours (the final sigma) right; the
  // mapping may change the number of code points, so words are mapped from the original text.
  std::string out;
  bool inside_word = false;
  std::size_t run = 0;  // start of the pending part to lower
  const auto flush = [&](std::size_t end) {
    if (end > run) out += to_lower(text.substr(run, end - run));
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    if (!inside_word) {
      flush(start);
      out += title_code_point(c);
      run = at;
    }
    inside_word = is_cased(c);
  }
  flush(text.size());
  return out;
}

std::string to_capitalized(std::string_view text) {
  if (text.empty()) return {};
  std::size_t at = 0;
  const char32_t first = next_code_point(text, at);
  return title_code_point(first) + to_lower(text.substr(at));
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    const std::string_view one = text.substr(start, at - start);
    if (u_isUUppercase(static_cast<UChar32>(c))) {
      out += to_lower(one);
    } else if (u_isULowercase(static_cast<UChar32>(c))) {
      out += to_upper(one);
    } else {
      out += one;
    }
  }
  return out;
}

bool all_alpha(std::string_view text) { return all_of_text(text, is_alpha); }
bool all_digit(std::string_view text) { return all_of_text(text, is_digit); }
bool all_decimal(std::string_view text) {
  return all_of_text(text, [](char32_t c) { return numeric_type(c) == U_NT_DECIMAL; });
}
bool all_numeric(std::string_view text) { return all_of_text(text, is_numeric); }
bool all_alnum(std::string_view text) {
  return all_of_text(text, [](char32_t c) { return is_alpha(c) || is_numeric(c); });
}
bool all_space(std::string_view text) { return all_of_text(text, is_space); }
bool all_printable(std::string_view text) {
  return text.empty() || all_of_text(text, is_printable);
}

bool has_only_upper(std::string_view text) {
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, at));
    if (u_isULowercase(c) || u_istitle(c)) return false;
    any = any || u_isUUppercase(c);
  }
  return any;
}

bool has_only_lower(std::string_view text) {
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, at));
    if (u_isUUppercase(c) || u_istitle(c)) return false;
    any = any || u_isULowercase(c);
  }
  return any;
}

bool is_titlecased(std::string_view text) {
  bool any = false;
  bool previous_cased = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, at));
    if (u_isUUppercase(c) || u_istitle(c)) {
      if (previous_cased) return false;
      previous_cased = any = true;
    } else if (u_isULowercase(c)) {
      if (!previous_cased) return false;
      any = true;
    } else {
      previous_cased = false;
    }
  }
  return any;
}

bool is_identifier(std::string_view text) {
  if (text.empty()) return false;
  std::size_t at = 0;
  if (!is_identifier_start(next_code_point(text, at))) return false;
  while (at < text.size()) {
    if (!is_identifier_part(next_code_point(text, at))) return false;
  }
  return true;
}

int digit_value(char32_t c) {
  if (c < 0x80) return u_digit(static_cast<UChar32>(c), 36);
  return u_charDigitValue(static_cast<UChar32>(c));
}

char32_t named_code_point(std::string_view name) {
  UErrorCode status = U_ZERO_ERROR;
  const UChar32 found = u_charFromName(U_EXTENDED_CHAR_NAME, std::string(name).c_str(), &status);
  return U_SUCCESS(status) ? static_cast<char32_t>(found) : 0;
}

}  // namespace quire::text::jinja
