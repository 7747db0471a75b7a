// The ranges of the sampling parameters, each refused by name, value and limit.
#include "engine/sampling.h"

#include <cmath>
#include <string>

#include "base/rng.h"

namespace quire::engine {
namespace {

// A closed range of one field; NaN lies in none.
struct Range {
  const char* field;
  double value, min, max;
};

Status check_range(const Range& range) {
  if (range.value >= range.min && range.value <= range.max) return {};
  if (std::isinf(range.max)) {
    return fail_at(range.field, ErrorCode::kInvalid, "{} must be finite and at least {}, got {}",
                   range.field, range.min, range.value);
  }
  return fail_at(range.field, ErrorCode::kInvalid, "{} must be between {} and {}, got {}",
                 range.field, range.min, range.max, range.value);
}

Status check_id(const char* field, std::int32_t id, int vocab) {
  if (id >= 0 && id < vocab) return {};
  return fail_at(field, ErrorCode::kInvalid, "{}: token id {} is outside the vocabulary of {}",
                 field, id, vocab);
}

constexpr double kFinite = 3.4e38;

Status check_numbers(const SamplingParams& params) {
  const Range ranges[] = {
      {"top_k", static_cast<double>(params.top_k), -1, 2147483647.0},
      {"top_p", params.top_p, 0, 1},
      {"min_p", params.min_p, 0, 1},
      {"typical_p", params.typical_p, 0, 1},
      {"presence_penalty", params.presence_penalty, -2, 2},
      {"frequency_penalty", params.frequency_penalty, -2, 2},
      {"repeat_last_n", static_cast<double>(params.repeat_last_n), -1, 2147483647.0},
      {"dry_multiplier", params.dry.multiplier, 0, kFinite},
      {"dry_base", params.dry.base, 0, kFinite},
      {"dry_allowed_length", static_cast<double>(params.dry.allowed_length), 0, 2147483647.0},
      {"dry_penalty_last_n", static_cast<double>(params.dry.last_n), -1, 2147483647.0},
      {"top_n_sigma", params.top_n_sigma, -1, kFinite},
      {"xtc_probability", params.xtc_probability, 0, 1},
      {"xtc_threshold", params.xtc_threshold, 0, 1},
      {"dynatemp_range", params.dynatemp_range, 0, kFinite},
      {"dynatemp_exponent", params.dynatemp_exponent, 0, 1000},
      {"mirostat", static_cast<double>(params.mirostat), 0, 2},
      {"mirostat_tau", params.mirostat_tau, 0, 1000},
      {"mirostat_eta", params.mirostat_eta, 0, 1000},
      {"adaptive_target", params.adaptive_target, -1, 1},
      {"adaptive_decay", params.adaptive_decay, 0, 0.99f},
      {"min_keep", static_cast<double>(params.min_keep), 0, 2147483647.0},
  };
  for (const Range& range : ranges) QUIRE_TRY(check_range(range));
  if (!(params.temperature >= 0 && params.temperature <= kFinite)) {
    return fail_at("temperature", ErrorCode::kInvalid,
                   "temperature must be finite and at least 0, got {}", params.temperature);
  }
  if (!(params.repetition_penalty > 0 && params.repetition_penalty <= kFinite)) {
    return fail_at("repetition_penalty", ErrorCode::kInvalid,
                   "repetition_penalty must be finite and above 0, got {}",
                   params.repetition_penalty);
  }
  if (!(params.repeat_penalty > 0 && params.repeat_penalty <= kFinite)) {
    return fail_at("repeat_penalty", ErrorCode::kInvalid,
                   "repeat_penalty must be finite and above 0, got {}", params.repeat_penalty);
  }
  if (params.max_tokens < 0) {
    return fail_at("max_tokens", ErrorCode::kInvalid, "max_tokens must be at least 0, got {}",
                   params.max_tokens);
  }
  if (params.min_tokens < 0 || params.min_tokens > params.max_tokens) {
    return fail_at("min_tokens", ErrorCode::kInvalid,
                   "min_tokens must be between 0 and max_tokens ({}), got {}", params.max_tokens,
                   params.min_tokens);
  }
  return {};
}

Status check_ids(const SamplingParams& params, int vocab) {
  for (const auto& [id, bias] : params.logit_bias) {
    QUIRE_TRY(check_id("logit_bias", id, vocab));
    QUIRE_TRY(check_range({"logit_bias", bias, -100, 100}));
  }
  for (const std::int32_t id : params.allowed_token_ids) {
    QUIRE_TRY(check_id("allowed_token_ids", id, vocab));
  }
  for (const std::int32_t id : params.logprob_token_ids) {
    QUIRE_TRY(check_id("logprob_token_ids", id, vocab));
  }
  for (const std::vector<std::int32_t>& word : params.bad_words) {
    if (word.empty()) return fail_at("bad_words", ErrorCode::kInvalid, "bad_words has no tokens");
    for (const std::int32_t id : word) QUIRE_TRY(check_id("bad_words", id, vocab));
  }
  for (const std::int32_t id : params.stop_token_ids) {
    QUIRE_TRY(check_id("stop_token_ids", id, vocab));
  }
  return {};
}

Status check_stops(const SamplingParams& params, const SamplingLimits& limits) {
  if (params.stop.size() > static_cast<std::size_t>(limits.stop_strings_max)) {
    return fail_at("stop", ErrorCode::kInvalid, "stop takes at most {} strings, got {}",
                   limits.stop_strings_max, params.stop.size());
  }
  for (const std::string& stop : params.stop) {
    if (stop.empty()) return fail_at("stop", ErrorCode::kInvalid, "stop has an empty string");
    if (stop.size() > static_cast<std::size_t>(limits.stop_string_bytes_max)) {
      return fail_at("stop", ErrorCode::kInvalid, "a stop string has {} bytes, the limit is {}",
                     stop.size(), limits.stop_string_bytes_max);
    }
  }
  return {};
}

Status check_logprobs(const char* field, int count, int max) {
  if (count >= -1 && count <= max) return {};
  return fail_at(field, ErrorCode::kInvalid, "{} must be between 0 and {}, got {}", field, max,
                 count);
}

}  // namespace

Status validate(const SamplingParams& params, const SamplingLimits& limits) {
  QUIRE_TRY(check_numbers(params));
  QUIRE_TRY(check_ids(params, limits.vocab));
  QUIRE_TRY(check_stops(params, limits));
  QUIRE_TRY(check_logprobs("logprobs", params.logprobs, limits.logprobs_max));
  return check_logprobs("prompt_logprobs", params.prompt_logprobs, limits.logprobs_max);
}

std::uint64_t choice_seed(std::uint64_t seed, int choice) {
  if (choice == 0) return seed;
  return random_bits(mix64(seed ^ 0x63686f6963657321ull), static_cast<std::uint64_t>(choice));
}

}  // namespace quire::engine
