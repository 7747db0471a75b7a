// UTF-8 and the character classes that tokenizer files speak of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quire::text {

// Decodes the character at `text[at]`. The text must be valid UTF-8 and `at` a boundary in it.
struct Utf8Char {
  char32_t code;
  std::uint32_t bytes;
};
inline Utf8Char utf8_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {((first & 0x1F) << 6) | (byte(1) & 0x3F), 2};
  if (first < 0xF0) {
    return {((first & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3};
  }
  return {((first & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) |
              (byte(3) & 0x3F),
          4};
}

inline bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}
// Start of the character that ends before `end`; `end` > 0.
inline std::size_t utf8_previous(std::string_view text, std::size_t end) {
  do {
    --end;
  } while (end > 0 && is_utf8_continuation(text[end]));
  return end;
}

void append_utf8(std::string& out, char32_t code);
std::size_t count_chars(std::string_view text);

// Length of the longest valid prefix; equals text.size() when all of it is valid UTF-8.
std::size_t valid_utf8_prefix(std::string_view text);
// How many bytes at text[at], which is not valid there, one U+FFFD stands for (1 to 3): the longest
// start of a sequence that could still have become valid (Unicode 3.9, "maximal subpart").
// `open` tells that the text ended before the sequence did.
struct InvalidUtf8 {
  std::size_t bytes;
  bool open;
};
InvalidUtf8 invalid_utf8_at(std::string_view text, std::size_t at);
// Appends `text` with every invalid part as U+FFFD.
void append_sanitized(std::string& out, std::string_view text);

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// White_Space of Unicode; what \s means and Rust's char::is_whitespace.
bool is_white_space(char32_t code);
// These follow the Unicode versions of the reference's libraries, not ICU's; see the source.
bool is_number(char32_t code);           // Nd, Nl, No
bool is_mark(char32_t code);             // Mn, Mc, Me, as StripAccents counts them
bool is_nonspacing_mark(char32_t code);  // Mn, as BERT counts them
bool is_punctuation(char32_t code);      // P* and every ASCII sign
bool is_other(char32_t code);            // Cc, Cf, Co, Cs, as BERT's cleaning counts them
bool is_word(char32_t code);             // \w of Rust's regex
bool is_cjk_ideograph(char32_t code);    // as BERT counts them
// Lower case of one character without context; U+0130 becomes two characters.
void append_lowercase(std::string& out, char32_t code);

}  // namespace quire::text
