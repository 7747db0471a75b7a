// GPT-2's printable stand-ins for the 256 bytes ("Ġ" for the space).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace quire::text {

// The character that stands for each byte.
const std::array<char32_t, 256>& byte_alphabet();
// Byte that the character stands for, -1 when it is none of the 256.
int byte_of_char(char32_t code);

// Every byte of `bytes` as its character.
void append_byte_chars(std::string& out, std::string_view bytes);
// The bytes that `text` (valid UTF-8) stands for; nothing when any character is not of the
// alphabet.
std::optional<std::string> bytes_of_chars(std::string_view text);

}  // namespace quire::text
