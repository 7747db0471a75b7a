// How a request's tokens are chosen from logits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace quire::engine {

// Validated by validate(); defaults leave the model's distribution untouched.
struct SamplingParams {
  float temperature = 1;  // 0: greedy
  int top_k = 0;          // 0 or -1: off
  float top_p = 1;
  float min_p = 0;
  float typical_p = 1;
  float repetition_penalty = 1;  // prompt and output
  float presence_penalty = 0;    // output only
  float frequency_penalty = 0;   // output only
  std::vector<std::pair<std::int32_t, float>> logit_bias;
  std::vector<std::int32_t> allowed_token_ids;  // empty: all
  std::optional<std::uint64_t> seed;            // absent: drawn at submission
  std::int64_t max_tokens = 16;
  std::int64_t min_tokens = 0;  // EOS and stop ids are banned before
  bool ignore_eos = false;
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_token_ids;
  bool include_stop_str_in_output = false;
  bool skip_special_tokens = true;
  int logprobs = -1;         // -1: none; 0: the chosen token's only; k: the k best as well
  int prompt_logprobs = -1;  // likewise for every prompt token
  // Instead of the best ones, these are told beside the chosen token; needs logprobs >= 0.
  std::vector<std::int32_t> logprob_token_ids;
};

struct SamplingLimits {
  int vocab = 0;  // V
  int logprobs_max = 20;
  int stop_strings_max = 16;
  int stop_string_bytes_max = 256;
};

// kInvalid with the field in `param`, the value and the limit in the message.
Status validate(const SamplingParams& params, const SamplingLimits& limits);

// The seed of choice i of a request with n > 1: choice 0 keeps the request's own, so that it is the
// answer of n = 1, and choice i is the answer of n = 1 with the seed returned here.
std::uint64_t choice_seed(std::uint64_t seed, int choice);

}  // namespace quire::engine
