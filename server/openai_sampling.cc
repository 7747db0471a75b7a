// Plain numbers were checked by the table of fields; here are the fields with a form of their own.
#include "server/openai_sampling.h"

#include <charconv>
#include <utility>

#include "server/llama_sampling.h"
#include "server/openai_request.h"

namespace quire::server {
namespace {

constexpr std::size_t kStopsMax = 16;
constexpr std::size_t kStopBytesMax = 256;
constexpr std::size_t kBiasesMax = 1024;
constexpr std::size_t kTokenListMax = 4096;

using Expected = tl::expected<void, ApiError>;

Expected read_stops(const Fields& fields, engine::SamplingParams& out) {
  const Json* stop = fields.get("stop");
  if (stop == nullptr) return {};
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  if (list.size() > kStopsMax) {
    return api_fail(kBadRequest, "stop", "stop has {} strings, the limit is {}", list.size(),
                    kStopsMax);
  }
  for (const Json& item : list) {
    if (!item.is_string()) {
      return api_fail(kBadRequest, "stop", "stop must be a string or an array of strings");
    }
    const auto& text = item.get_ref<const std::string&>();
    if (text.empty() || text.size() > kStopBytesMax) {
      return api_fail(kBadRequest, "stop", "a stop string must have 1 to {} bytes, got {}",
                      kStopBytesMax, text.size());
    }
    out.stop.push_back(text);
  }
  return {};
}

// The id that a key of logit_bias stands for, a number or the text of one; -1 for others.
std::int64_t bias_id(const Json& key, std::int32_t vocab) {
  std::int64_t token = -1;
  if (key.is_string()) {
    const auto& text = key.get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
    if (error != std::errc() || end != text.data() + text.size()) token = -1;
  } else if (const auto number = json_integer(key, "logit_bias", 0, vocab - 1)) {
    token = *number;
  }
  return token < vocab ? token : -1;
}

Expected add_bias(std::int64_t id, const Json& bias, engine::SamplingParams& out) {
  const auto value = json_number(bias, "logit_bias", -100, 100);
  if (!value) return tl::unexpected(api_error(value.error()));
  out.logit_bias.emplace_back(static_cast<std::int32_t>(id), static_cast<float>(*value));
  return {};
}

tl::unexpected<ApiError> fail_bias_key(const Json& key, std::int32_t vocab) {
  return api_fail(kBadRequest, "logit_bias",
                  "logit_bias has the key {}, which is no token id below {}",
                  dump_json(key).substr(0, 40), vocab);
}

// llama.cpp's [token, bias]: a text stands for each of its tokens, false for "never".
Expected add_bias_pair(const Json& pair, const Backend& backend, engine::SamplingParams& out) {
  if (!pair.is_array() || pair.size() != 2) {
    return api_fail(kBadRequest, "logit_bias", "logit_bias as a list must hold [id, bias] pairs");
  }
  const std::int32_t vocab = backend.engine->card().vocab;
  std::vector<std::int64_t> ids{bias_id(pair[0], vocab)};
  if (ids[0] < 0 && pair[0].is_string() && !pair[0].get_ref<const std::string&>().empty()) {
    const auto encoded = backend.engine->tokenizer().encode(pair[0].get_ref<const std::string&>(),
                                                            {.add_special_tokens = false});
    if (!encoded) return tl::unexpected(api_error(encoded.error()));
    ids.assign(encoded->begin(), encoded->end());
  }
  for (const std::int64_t id : ids) {
    if (id < 0) return fail_bias_key(pair[0], vocab);
    if (pair[1] == false) {
      out.bad_words.push_back({static_cast<std::int32_t>(id)});
    } else if (auto good = add_bias(id, pair[1], out); !good) {
      return good;
    }
  }
  return {};
}

Expected read_biases(const Fields& fields, const Backend& backend, engine::SamplingParams& out) {
  const Json* bias = fields.get("logit_bias");
  if (bias == nullptr) return {};
  if (!bias->is_structured()) {
    return api_fail(kBadRequest, "logit_bias", "logit_bias must be an object or a list of pairs");
  }
  if (bias->size() > kBiasesMax) {
    return api_fail(kBadRequest, "logit_bias", "logit_bias has {} entries, the limit is {}",
                    bias->size(), kBiasesMax);
  }
  const std::int32_t vocab = backend.engine->card().vocab;
  for (const auto& [key, value] : bias->items()) {
    if (bias->is_array()) {
      if (auto good = add_bias_pair(value, backend, out); !good) return good;
      continue;
    }
    const std::int64_t id = bias_id(Json(key), vocab);
    if (id < 0) return fail_bias_key(Json(key), vocab);
    if (auto good = add_bias(id, value, out); !good) return good;
  }
  return {};
}

Expected read_token_list(const Fields& fields, const std::string& name, std::int32_t vocab,
                         std::vector<std::int32_t>& out) {
  const Json* list = fields.get(name);
  if (list == nullptr) return {};
  if (list->size() > kTokenListMax) {
    return api_fail(kBadRequest, name, "{} has {} ids, the limit is {}", name, list->size(),
                    kTokenListMax);
  }
  auto ids = read_token_ids(*list, name, vocab);
  if (!ids) return tl::unexpected(ids.error());
  out = std::move(*ids);
  return {};
}

Expected check_logprobs_limit(const Fields& fields, const char* name, int limit) {
  const Json* value = fields.get(name);
  if (value == nullptr || !value->is_number() || fields.integer(name, 0) <= limit) return {};
  return api_fail(kBadRequest, name, "{} must be at most {}, got {}", name, limit,
                  fields.integer(name, 0));
}

Expected read_logprobs(const Fields& fields, Endpoint endpoint, int limit,
                       engine::SamplingParams& out) {
  for (const char* name : {"logprobs", "top_logprobs", "prompt_logprobs", "n_probs"}) {
    if (auto good = check_logprobs_limit(fields, name, limit); !good) return good;
  }
  out.prompt_logprobs = static_cast<int>(fields.integer("prompt_logprobs", -1));
  const auto n_probs = static_cast<int>(fields.integer("n_probs", 0));  // llama.cpp's; 0 is none
  if (endpoint == kCompletions) {
    out.logprobs = static_cast<int>(fields.integer("logprobs", n_probs > 0 ? n_probs : -1));
    if (fields.flag("echo", false) && out.logprobs >= 0) {
      out.prompt_logprobs = std::max(out.prompt_logprobs, out.logprobs);
    }
    return {};
  }
  const auto top = static_cast<int>(fields.integer("top_logprobs", 0));
  if (fields.flag("logprobs", n_probs > 0)) {
    out.logprobs = std::max(top, n_probs);
  } else if (top > 0) {
    return api_fail(kBadRequest, "top_logprobs", "top_logprobs needs logprobs to be true");
  }
  return {};
}

}  // namespace

tl::expected<engine::SamplingParams, ApiError> read_sampling(const Fields& fields,
                                                             Endpoint endpoint,
                                                             const Backend& backend,
                                                             const RequestPolicy& policy) {
  engine::SamplingParams out;
  const engine::ModelCard& card = backend.engine->card();
  const auto number = [&](const char* name, double built_in) {
    const auto it = card.generation_defaults.find(name);
    return fields.number(name, it == card.generation_defaults.end() ? built_in : it->second);
  };
  out.temperature = static_cast<float>(number("temperature", out.temperature));
  out.top_k = static_cast<int>(number("top_k", out.top_k));
  out.top_p = static_cast<float>(number("top_p", out.top_p));
  out.min_p = static_cast<float>(number("min_p", out.min_p));
  out.typical_p = static_cast<float>(fields.number("typ_p", number("typical_p", out.typical_p)));
  out.repetition_penalty = static_cast<float>(number("repetition_penalty", out.repetition_penalty));
  out.presence_penalty = static_cast<float>(fields.number("presence_penalty", 0));
  out.frequency_penalty = static_cast<float>(fields.number("frequency_penalty", 0));
  if (fields.get("repetition_penalty") != nullptr && !(out.repetition_penalty > 0)) {
    return api_fail(kBadRequest, "repetition_penalty", "repetition_penalty must be above 0, got {}",
                    out.repetition_penalty);
  }
  if (fields.get("top_p") != nullptr && !(out.top_p > 0)) {
    return api_fail(kBadRequest, "top_p", "top_p must be above 0, got {}", out.top_p);
  }
  // -1 asks for a random one, as in vLLM and llama.cpp.
  if (const std::int64_t seed = fields.integer("seed", -1); seed != -1) {
    out.seed = static_cast<std::uint64_t>(seed);
  }
  out.min_tokens = fields.integer("min_tokens", 0);
  out.ignore_eos = fields.flag("ignore_eos", false);
  out.include_stop_str_in_output =
      fields.flag("include_stop_str_in_output", fields.flag("no_stop_trim", false));
  out.skip_special_tokens = fields.flag("skip_special_tokens", true);
  const std::int32_t vocab = card.vocab;
  if (auto good = read_stops(fields, out); !good) return tl::unexpected(good.error());
  if (auto good = read_biases(fields, backend, out); !good) return tl::unexpected(good.error());
  if (auto good = read_token_list(fields, "stop_token_ids", vocab, out.stop_token_ids); !good) {
    return tl::unexpected(good.error());
  }
  if (auto good = read_token_list(fields, "allowed_token_ids", vocab, out.allowed_token_ids);
      !good) {
    return tl::unexpected(good.error());
  }
  if (fields.get("allowed_token_ids") != nullptr && out.allowed_token_ids.empty()) {
    return api_fail(kBadRequest, "allowed_token_ids", "allowed_token_ids allows no token at all");
  }
  if (auto good = read_llama_sampling(fields, backend, out); !good) {
    return tl::unexpected(good.error());
  }
  if (auto good = read_bad_words(fields, backend, out); !good) return tl::unexpected(good.error());
  if (auto good = read_stop_regex(fields, out); !good) return tl::unexpected(good.error());
  if (auto good = read_logprobs(fields, endpoint, policy.logprobs_max, out); !good) {
    return tl::unexpected(good.error());
  }
  if (auto good = read_token_list(fields, "logprob_token_ids", vocab, out.logprob_token_ids);
      !good) {
    return tl::unexpected(good.error());
  }
  if (!out.logprob_token_ids.empty() && out.logprobs < 0) {
    return api_fail(kBadRequest, "logprob_token_ids", "logprob_token_ids needs logprobs");
  }
  return out;
}

}  // namespace quire::server
