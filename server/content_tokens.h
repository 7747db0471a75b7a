// Which of an answer's tokens make its content, apart from those of reasoning, calls and markers.
#pragma once

#include <cstddef>
#include <deque>
#include <span>

#include "engine/output_token.h"
#include "models/load/json.h"
#include "models/text/answer/text_source.h"
#include "models/text/tokenizer.h"

namespace quire::server {

// Tokens and content are matched by their places in the answer's raw text: a token that shares a
// byte with the content is one of its tokens, once.
class ContentTokens {
 public:
  explicit ContentTokens(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // What an output brought: its tokens, and where its content stands in the raw text. Text may come
  // after its tokens, and never before them.
  void push(std::span<const engine::OutputToken> tokens, std::span<const text::TextSpan> content);
  // OpenAI's logprobs of the tokens behind the next `bytes` of content.
  Json logprobs(std::size_t bytes, int top);

 private:
  struct Placed {
    engine::OutputToken token;
    std::size_t begin, end;  // of its text; of the character that it is a part of, 1 byte
  };

  const text::Tokenizer& tokenizer_;
  std::deque<Placed> tokens_;  // that have not been told and may still be
  std::deque<text::TextSpan> content_;
  std::size_t raw_bytes_ = 0;  // of all tokens' texts
};

}  // namespace quire::server
