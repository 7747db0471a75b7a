// Lengths are those of the tokens decoded alone.
#include "server/content_tokens.h"

#include <utility>

#include "server/logprobs_json.h"
#include "server/token_text.h"

namespace quire::server {

void ContentTokens::push(std::span<const engine::OutputToken> tokens) {
  pending_.insert(pending_.end(), tokens.begin(), tokens.end());
}

Json ContentTokens::logprobs(std::size_t bytes, bool last, int top) {
  std::size_t found = 0;
  std::size_t count = 0;
  while (found < bytes && count < pending_.size()) {
    const std::size_t at = last ? pending_.size() - 1 - count : count;
    found += token_text(tokenizer_, pending_[at].id).bytes.size();
    ++count;
  }
  const std::span<const engine::OutputToken> all(pending_);
  const auto mine = last ? all.last(count) : all.first(count);
  Json out = chat_logprobs(tokenizer_, mine, {.tokens_as_ids = false, .top = top})["content"];
  const auto end = last ? pending_.end() : pending_.begin() + static_cast<std::ptrdiff_t>(count);
  pending_.erase(pending_.begin(), end);
  return out;
}

}  // namespace quire::server
