// Logprobs in the three shapes of the API: chat, completions, prompt_logprobs.
#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"
#include "models/load/json.h"

namespace quire::server {

struct LogprobsStyle {
  bool tokens_as_ids = false;  // "token:123" instead of the text
  int top = 0;                 // alternatives per token
};

// {"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}
Json chat_logprobs(const text::Tokenizer& tokenizer, std::span<const engine::OutputToken> tokens,
                   const LogprobsStyle& style);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}: parallel arrays. `offset` is where
// the first token begins, in code points, and becomes where the next one would. A prompt's first
// token has no logprob: `prompt_count` leading tokens are the prompt's.
Json completion_logprobs(const text::Tokenizer& tokenizer,
                         std::span<const engine::OutputToken> tokens, const LogprobsStyle& style,
                         std::size_t prompt_count, std::int64_t& offset);

struct LlamaProbs {
  int top = 0;         // candidates per token
  bool drawn = false;  // "prob" and "top_probs" of the draw instead of raw "logprob"
};

// llama.cpp's completion_probabilities: [{"id", "token", "bytes", "logprob", "top_logprobs"}].
Json llama_probs(const text::Tokenizer& tokenizer, std::span<const engine::OutputToken> tokens,
                 const LlamaProbs& style);

// [null, {"ID": {"logprob", "rank", "decoded_token"}}, ...]
Json prompt_logprobs(const text::Tokenizer& tokenizer, std::span<const engine::OutputToken> tokens);

// Unicode code points of UTF-8 text.
std::int64_t count_code_points(std::string_view text);

}  // namespace quire::server
