// Both lists ascend, so that one walk along them is enough.
#include "server/content_tokens.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/logprobs_json.h"

namespace quire::server {

void ContentTokens::push(std::span<const engine::OutputToken> tokens,
                         std::span<const text::TextSpan> content) {
  for (const engine::OutputToken& token : tokens) {
    const std::size_t begin = raw_bytes_;
    raw_bytes_ += static_cast<std::size_t>(token.text_bytes);
    // What has no text and never will have: hidden tokens and the end.
    if (token.text_bytes == 0 && tokenizer_.is_special(token.id)) continue;
    tokens_.push_back({token, begin, std::max(raw_bytes_, begin + 1)});
  }
  content_.insert(content_.end(), content.begin(), content.end());
}

Json ContentTokens::logprobs(std::size_t bytes, int top) {
  std::vector<engine::OutputToken> found;
  while (bytes > 0 && !content_.empty()) {
    text::TextSpan& span = content_.front();
    const std::size_t end = span.begin + std::min(bytes, span.end - span.begin);
    while (!tokens_.empty() && tokens_.front().begin < end) {
      if (tokens_.front().end > span.begin) found.push_back(std::move(tokens_.front().token));
      tokens_.pop_front();
    }
    bytes -= end - span.begin;
    span.begin = end;
    if (span.begin == span.end) content_.pop_front();
  }
  return chat_logprobs(tokenizer_, found, {.tokens_as_ids = false, .top = top})["content"];
}

}  // namespace quire::server
