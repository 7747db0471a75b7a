// How a request's tokens are chosen from logits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace quire::engine {

class StopPattern;  // engine/stop_pattern.h

// The steps of llama.cpp's chain that cut or bend a distribution, by their names there.
enum class ChainStep { kTopNSigma, kTopK, kTypicalP, kTopP, kMinP, kXtc, kTemperature };

// A text that ends repetitions: a token, and those that must follow it for the text to be whole.
struct DryBreaker {
  std::int32_t head = 0;
  std::vector<std::int32_t> tail;
};

// The DRY penalty (llama.cpp): a token that would lengthen a repetition of length L loses
// multiplier * base^(L - allowed_length).
struct DryParams {
  float multiplier = 0;  // 0: off
  float base = 1.75f;
  int allowed_length = 2;
  int last_n = -1;  // of prompt and output; -1: all, 0: off
  std::vector<DryBreaker> breakers;
};

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
  // llama.cpp's: of the last tokens of prompt and output; -1: all of them.
  float repeat_penalty = 1;
  int repeat_last_n = 64;
  DryParams dry;
  // llama.cpp's samplers. Any of them makes the cuts follow `chain` instead of the order of
  // Sampler; what is not in the chain is not applied.
  float top_n_sigma = -1;
  float xtc_probability = 0, xtc_threshold = 0.1f;
  float dynatemp_range = 0, dynatemp_exponent = 1;
  int mirostat = 0;  // 1 or 2: instead of the chain
  float mirostat_tau = 5, mirostat_eta = 0.1f;
  float adaptive_target = -1, adaptive_decay = 0.9f;
  int min_keep = 0;
  bool chain_given = false;
  std::vector<ChainStep> chain = {ChainStep::kTopNSigma,  ChainStep::kTopK, ChainStep::kTypicalP,
                                  ChainStep::kTopP,       ChainStep::kMinP, ChainStep::kXtc,
                                  ChainStep::kTemperature};
  std::vector<std::vector<std::int32_t>> bad_words;  // each may not be completed
  std::vector<std::pair<std::int32_t, float>> logit_bias;
  std::vector<std::int32_t> allowed_token_ids;  // empty: all
  std::optional<std::uint64_t> seed;            // absent: drawn at submission
  std::int64_t max_tokens = 16;
  std::int64_t min_tokens = 0;  // EOS and stop ids are banned before
  bool ignore_eos = false;
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_token_ids;
  // Text on which the answer ends, the match included. May be null.
  std::shared_ptr<const StopPattern> stop_pattern;
  // After so long since the first token the answer ends, if it has a line end; 0 or less: never.
  std::int64_t predict_ms_max = 0;
  bool include_stop_str_in_output = false;
  bool skip_special_tokens = true;
  int logprobs = -1;         // -1: none; 0: the chosen token's only; k: the k best as well
  int prompt_logprobs = -1;  // likewise for every prompt token
  // Instead of the best ones, these are told beside the chosen token; needs logprobs >= 0.
  std::vector<std::int32_t> logprob_token_ids;

  // Logprobs are those of the distribution that the token was drawn from, after penalties, bans,
  // temperature and cuts, and only its tokens are told; forced ones have the probability 1.
  bool logprobs_drawn = false;

  bool uses_chain() const {
    return chain_given || top_n_sigma > 0 || xtc_probability > 0 || dynatemp_range > 0 ||
           mirostat > 0 || adaptive_target >= 0 || min_keep > 0;
  }
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
