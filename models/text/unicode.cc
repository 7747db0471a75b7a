// Character classes by ICU; UTF-8 by the tables of the Unicode standard (table 3-7).
#include "models/text/unicode.h"

#include <unicode/uchar.h>

#include "models/text/unicode_newer.h"

namespace quire::text {
namespace {

struct Sequence {
  std::uint32_t bytes = 0;  // 0: no character starts with this byte
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xBF;
};

Sequence sequence_of(unsigned char first) {
  if (first < 0x80) return {1};
  if (first < 0xC2) return {0};
  if (first < 0xE0) return {2};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first < 0xF0) return {3};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first < 0xF4) return {4};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

// How many bytes of the sequence at `at` are as they should be.
std::uint32_t good_bytes(std::string_view text, std::size_t at, const Sequence& sequence) {
  std::uint32_t good = 1;
  while (good < sequence.bytes && at + good < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at + good]);
    const bool fits = good == 1 ? byte >= sequence.second_min && byte <= sequence.second_max
                                : (byte & 0xC0) == 0x80;
    if (!fits) break;
    ++good;
  }
  return good;
}

std::uint32_t category_bit(char32_t code) { return U_MASK(u_charType(static_cast<UChar32>(code))); }

// The reference's libraries each carry their own version of Unicode: some older than ICU's, some
// newer. Older ones do not know a character that came later.
bool known_since(char32_t code, int version) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code), age);
  return age[0] <= version;
}

// Characters of Unicode 15.1 to 17, which ICU 72 lacks; as Rust's standard library and regex know
// them.
constexpr CharRange kNewerNumbers[] = {{0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9},
                                       {0x11DE0, 0x11DE9}, {0x16130, 0x16139}, {0x16D70, 0x16D79},
                                       {0x16FF4, 0x16FF6}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA}};
constexpr CharRange kNewerWords[] = {
    {0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},
    {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A},
    {0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79},
    {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D}};

struct Lowercase {
  char32_t first;
  char32_t last;
  std::int32_t shift;
};
constexpr Lowercase kNewerLowercase[] = {{0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, -0xA567},
                                         {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
                                         {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
                                         {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, -0xA641},
                                         {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B}};

}  // namespace

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::size_t count_chars(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += !is_utf8_continuation(byte);
  return count;
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const Sequence sequence = sequence_of(first);
    if (sequence.bytes == 0 || good_bytes(text, at, sequence) != sequence.bytes) break;
    at += sequence.bytes;
  }
  return at;
}

InvalidUtf8 invalid_utf8_at(std::string_view text, std::size_t at) {
  const Sequence sequence = sequence_of(static_cast<unsigned char>(text[at]));
  if (sequence.bytes == 0) return {1, false};
  const std::uint32_t good = good_bytes(text, at, sequence);
  return {good, at + good == text.size()};
}

void append_sanitized(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t valid = valid_utf8_prefix(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) break;
    out += kReplacement;
    text.remove_prefix(invalid_utf8_at(text, 0).bytes);
  }
}

bool is_white_space(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_number(char32_t code) {
  return (category_bit(code) & U_GC_N_MASK) != 0 || lies_in(kNewerNumbers, code);
}

// 1CF2, 1CF3: marks until Unicode 12.
bool is_mark(char32_t code) {
  if (code == 0x1CF2 || code == 0x1CF3) return true;
  return (category_bit(code) & U_GC_M_MASK) != 0 && known_since(code, 9);
}

bool is_nonspacing_mark(char32_t code) {
  return (category_bit(code) & U_GC_MN_MASK) != 0 && known_since(code, 8);
}

bool is_other(char32_t code) {
  constexpr std::uint32_t kOther = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK;
  return (category_bit(code) & kOther) != 0 && known_since(code, 8);
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) {
    return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
           (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
  }
  return (category_bit(code) & U_GC_P_MASK) != 0 && known_since(code, 8);
}

bool is_word(char32_t code) {
  if (code < 0x80) {
    return (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
           (code >= 'A' && code <= 'Z') || code == '_';
  }
  if ((category_bit(code) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0) return true;
  return u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_JOIN_CONTROL) ||
         lies_in(kNewerWords, code);
}

void append_lowercase(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code >= 'A' && code <= 'Z' ? code + 32 : code);
    return;
  }
  if (code == 0x130) {
    out += "i\xCC\x87";
    return;
  }
  for (const Lowercase& newer : kNewerLowercase) {
    if (code < newer.first || code > newer.last) continue;
    append_utf8(out, static_cast<char32_t>(static_cast<std::int32_t>(code) + newer.shift));
    return;
  }
  append_utf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(code))));
}

bool is_cjk_ideograph(char32_t code) {
  return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
         (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
         (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

}  // namespace quire::text
