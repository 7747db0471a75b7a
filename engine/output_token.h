// A generated or scored token with what was asked about it.
#pragma once

#include <cstdint>
#include <vector>

namespace quire::engine {

struct TokenLogprob {
  std::int32_t id = 0;
  float logprob = 0;
  int rank = 0;  // 1 = most likely; among equals the lower id is the better one
};

// A token as it was made, with what was asked about it. Logprobs are raw: log-softmax of the
// logits before temperature, penalties and bias, unless SamplingParams::logprobs_drawn.
struct OutputToken {
  std::int32_t id = 0;
  float logprob = 0;
  int rank = 0;
  std::vector<TokenLogprob> top;
  // Of the text as it grows: 0 for a token that is hidden, ends the answer, or ends inside a
  // character; the token that completes the character brings all of it.
  std::int32_t text_bytes = 0;
};

}  // namespace quire::engine
