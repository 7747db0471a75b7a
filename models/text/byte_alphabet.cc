// Printable Latin-1 bytes stand for themselves, the other 68 for U+0100 upwards in ascending order.
#include "models/text/byte_alphabet.h"

#include "models/text/unicode.h"

namespace quire::text {
namespace {

struct Alphabet {
  std::array<char32_t, 256> chars{};
  std::array<std::int16_t, 0x144> bytes{};
};

Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.bytes.fill(-1);
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                           (byte >= 0xAE && byte <= 0xFF);
    const char32_t code = printable ? static_cast<char32_t>(byte) : next++;
    alphabet.chars[byte] = code;
    alphabet.bytes[code] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

const Alphabet& alphabet() {
  static const Alphabet value = make_alphabet();
  return value;
}

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() { return alphabet().chars; }

int byte_of_char(char32_t code) {
  const auto& bytes = alphabet().bytes;
  return code < bytes.size() ? bytes[code] : -1;
}

void append_byte_chars(std::string& out, std::string_view bytes) {
  for (const char byte : bytes)
    append_utf8(out, alphabet().chars[static_cast<unsigned char>(byte)]);
}

std::optional<std::string> bytes_of_chars(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    const int byte = byte_of_char(c.code);
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    at += c.bytes;
  }
  return bytes;
}

}  // namespace quire::text
