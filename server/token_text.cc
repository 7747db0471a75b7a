// Byte-level BPE spells bytes as letters: printable Latin-1 as itself, the rest from U+0100 on.
#include "server/token_text.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace quire::server {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_spelled_as_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         (byte >= 0xae && byte <= 0xff);
}

// Code point -> byte of GPT-2's alphabet (all its code points are below 0x144).
std::array<int, 0x144> make_alphabet() {
  std::array<int, 0x144> byte_of{};
  byte_of.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    byte_of[static_cast<std::size_t>(is_spelled_as_itself(byte) ? byte : next++)] = byte;
  }
  return byte_of;
}

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  static const std::array<int, 0x144> kByteOf = make_alphabet();
  std::string out;
  for (std::size_t i = 0; i < spelling.size();) {
    const auto lead = static_cast<unsigned char>(spelling[i]);
    std::size_t code = lead;
    std::size_t size = 1;
    if (lead >= 0xc2 && lead < 0xe0 && i + 1 < spelling.size()) {
      code = (lead & 0x1fu) << 6 | (static_cast<unsigned char>(spelling[i + 1]) & 0x3fu);
      size = 2;
    } else if (lead >= 0x80) {
      return std::nullopt;
    }
    if (code >= kByteOf.size() || kByteOf[code] < 0) return std::nullopt;
    out += static_cast<char>(kByteOf[code]);
    i += size;
  }
  return out;
}

std::optional<std::string> byte_of_hex_token(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : spelling.substr(3, 2)) {
    const std::string_view digits = "0123456789ABCDEF";
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + static_cast<int>(digit);
  }
  return std::string(1, static_cast<char>(value));
}

}  // namespace

TokenText token_text(const text::Tokenizer& tokenizer, std::int32_t id) {
  TokenText out;
  out.text = tokenizer.decode({id}, {.skip_special_tokens = false}).value_or("");
  out.bytes = out.text;
  if (out.text.find(kReplacement) != std::string::npos) {
    const std::string spelling = tokenizer.token(id);
    if (auto byte = byte_of_hex_token(spelling)) {
      out.bytes = *byte;
    } else if (auto bytes = bytes_of_spelling(spelling)) {
      out.bytes = *bytes;
    }
  }
  return out;
}

std::string completion_token_text(const TokenText& token) {
  if (token.text == token.bytes || token.text.find(kReplacement) == std::string::npos) {
    return token.text;
  }
  std::string out = "bytes:";
  for (const char c : token.bytes) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace quire::server
