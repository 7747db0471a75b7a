// The bound is the longest token times what normalization can shrink text by.
#include "server/prompt_bound.h"

#include <algorithm>
#include <string>

namespace quire::server {
namespace {

// NFKC turns four bytes of a mathematical letter into one; nothing in Unicode shrinks more.
constexpr std::size_t kNormalizationMax = 4;

std::size_t longest_token_bytes(const text::Tokenizer& tokenizer) {
  std::size_t longest = 1;
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    longest = std::max(longest, tokenizer.token(id).size());
  }
  return longest;
}

// Texts that lossy tokenizers shorten: runs of spaces, of one letter, of a character that no
// vocabulary has, of control characters.
bool keeps_text(const text::Tokenizer& tokenizer, std::size_t bytes_per_token) {
  for (const std::string_view unit :
       {" ", "\n", "a", "7", "\xF3\xA0\x80\xA1", "\xE4\xBD\xA0", "\xC2\xAD", "\x01"}) {
    std::string probe;
    while (probe.size() < 8 * bytes_per_token) probe += unit;
    const auto ids = tokenizer.encode(probe, {.add_special_tokens = false});
    if (!ids || ids->size() * bytes_per_token < probe.size()) return false;
  }
  return true;
}

}  // namespace

std::size_t prompt_bytes_bound(const text::Tokenizer& tokenizer, std::int64_t context_max) {
  const std::size_t bytes_per_token = kNormalizationMax * longest_token_bytes(tokenizer);
  if (!keeps_text(tokenizer, bytes_per_token)) return 0;
  return static_cast<std::size_t>(std::max<std::int64_t>(context_max, 1)) * bytes_per_token;
}

}  // namespace quire::server
