// Which of an answer's tokens make its text, apart from those of reasoning, calls and markers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/output_token.h"
#include "models/load/json.h"
#include "models/text/tokenizer.h"

namespace quire::server {

// Tokens come before the text that they bring, which may be held back. Texts and tokens are matched
// by their lengths: exact but for steps that bring several tokens of several kinds at once.
class ContentTokens {
 public:
  explicit ContentTokens(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void push(std::span<const engine::OutputToken> tokens);
  // OpenAI's logprobs of the tokens that make `bytes` of text: the last ones that came, or the
  // first where text of another kind follows. Those that are left over before it are forgotten.
  Json logprobs(std::size_t bytes, bool last, int top);

 private:
  const text::Tokenizer& tokenizer_;
  std::vector<engine::OutputToken> pending_;
};

}  // namespace quire::server
