// A single token's text and bytes, as the logprobs of the API show them.
#pragma once

#include <cstdint>
#include <string>

#include "models/text/tokenizer.h"

namespace quire::server {

struct TokenText {
  std::string text;   // UTF-8; U+FFFD where the token ends inside a character
  std::string bytes;  // what the token stands for, also when that is no whole character
};

// By decoding the token alone; the bytes of a piece of a character come from the vocabulary's own
// spelling (byte-level BPE's letters, or <0xHH>).
TokenText token_text(const text::Tokenizer& tokenizer, std::int32_t id);

// OpenAI's completions show a piece of a character as bytes:\xe2\x82.
std::string completion_token_text(const TokenText& token);

}  // namespace quire::server
