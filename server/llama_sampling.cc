// Names, defaults and meaning as in llama.cpp's server; what it would read over silently is 400.
#include "server/llama_sampling.h"

#include <algorithm>
#include <utility>

#include "engine/grammar/matcher.h"
#include "engine/stop_pattern.h"

namespace quire::server {
namespace {

using engine::ChainStep;
using Expected = tl::expected<void, ApiError>;
using Ids = std::vector<std::int32_t>;

constexpr std::size_t kBreakersMax = 32;
constexpr std::size_t kBreakerBytesMax = 40;
constexpr std::size_t kTailTokensMax = 20;
constexpr std::size_t kBadWordsMax = 1024;
constexpr std::size_t kPatternBytesMax = 1024;

// A name in `samplers`, the letter that stands for it in a string, and what it does.
struct SamplerName {
  std::string_view name;
  char letter;
  enum Kind { kStep, kPenalties, kDry, kAdaptive } kind = kStep;
  ChainStep step = ChainStep::kTemperature;
};
constexpr SamplerName kSamplers[] = {
    {"penalties", 'e', SamplerName::kPenalties},
    {"dry", 'd', SamplerName::kDry},
    {"top_n_sigma", 's', SamplerName::kStep, ChainStep::kTopNSigma},
    {"top_k", 'k', SamplerName::kStep, ChainStep::kTopK},
    {"typ_p", 'y', SamplerName::kStep, ChainStep::kTypicalP},
    {"typical_p", 'y', SamplerName::kStep, ChainStep::kTypicalP},
    {"top_p", 'p', SamplerName::kStep, ChainStep::kTopP},
    {"min_p", 'm', SamplerName::kStep, ChainStep::kMinP},
    {"xtc", 'x', SamplerName::kStep, ChainStep::kXtc},
    {"temperature", 't', SamplerName::kStep, ChainStep::kTemperature},
    {"temp", 't', SamplerName::kStep, ChainStep::kTemperature},
    {"adaptive_p", 'a', SamplerName::kAdaptive},
};

// A list of names, or a string with a letter for each.
tl::expected<std::vector<SamplerName>, ApiError> read_names(const Json& value) {
  std::vector<SamplerName> out;
  const auto add = [&](const std::string& shown, const auto& is_it) -> Expected {
    const auto it = std::find_if(std::begin(kSamplers), std::end(kSamplers), is_it);
    if (it == std::end(kSamplers)) {
      return api_fail(kBadRequest, "samplers", "samplers has \"{}\", which is no sampler here",
                      shown.substr(0, 40));
    }
    out.push_back(*it);
    return {};
  };
  if (value.is_string()) {
    for (const char c : value.get_ref<const std::string&>()) {
      const auto is_it = [c](const SamplerName& s) { return s.letter == c; };
      if (auto good = add(std::string(1, c), is_it); !good) return tl::unexpected(good.error());
    }
    return out;
  }
  if (!value.is_array() || value.size() > 64) {
    return api_fail(kBadRequest, "samplers", "samplers must be a list of names or a string");
  }
  for (const Json& item : value) {
    if (!item.is_string()) {
      return api_fail(kBadRequest, "samplers", "samplers must hold names, got {}",
                      item.type_name());
    }
    const auto& name = item.get_ref<const std::string&>();
    const auto is_it = [&name](const SamplerName& s) { return s.name == name; };
    if (auto good = add(name, is_it); !good) return tl::unexpected(good.error());
  }
  return out;
}

// What is not in the list is off. Penalties look at logits, so they come before everything else.
Expected read_chain(const Fields& fields, engine::SamplingParams& out) {
  const Json* value = fields.get("samplers");
  if (value == nullptr) return {};
  auto names = read_names(*value);
  if (!names) return tl::unexpected(names.error());
  bool penalties = false, dry = false, adaptive = false;
  out.chain_given = true;
  out.chain.clear();
  for (const SamplerName& name : *names) {
    if (name.kind == SamplerName::kStep) out.chain.push_back(name.step);
    penalties |= name.kind == SamplerName::kPenalties;
    dry |= name.kind == SamplerName::kDry;
    const bool late = name.kind == SamplerName::kPenalties || name.kind == SamplerName::kDry;
    if ((late && !out.chain.empty()) || adaptive) {
      return api_fail(kUnsupportedField, "samplers",
                      "samplers: penalties and dry come first here and adaptive_p last, got {}",
                      dump_json(*value).substr(0, 200));
    }
    adaptive |= name.kind == SamplerName::kAdaptive;
  }
  if (!penalties) {
    out.repeat_penalty = 1;
    out.presence_penalty = out.frequency_penalty = 0;
  }
  if (!dry) out.dry.multiplier = 0;
  if (!adaptive) out.adaptive_target = -1;
  return {};
}

// Every token that holds the text, or ends with a beginning of it, with the tokens of the rest.
Expected add_breaker(const std::string& text, const Backend& backend,
                     std::vector<engine::DryBreaker>& out) {
  const auto vocabulary = backend.grammars->vocabulary();
  for (std::int32_t id = 0; id < vocabulary->vocab_size(); ++id) {
    const std::string& token = vocabulary->bytes(id);
    if (token.find(text) != std::string::npos) {
      out.push_back({id, {}});
      continue;
    }
    const std::size_t first = token.size() < text.size() ? 0 : token.size() - text.size() + 1;
    for (std::size_t at = token.find(text[0], first); at != std::string::npos;
         at = token.find(text[0], at + 1)) {
      const std::size_t length = token.size() - at;
      if (token.compare(at, length, text, 0, length) != 0) continue;
      auto tail = backend.engine->tokenizer().encode(
          text.substr(length), {.add_special_tokens = false, .parse_special = false});
      if (!tail) continue;  // the rest alone is no text of this tokenizer
      tail->resize(std::min(tail->size(), kTailTokensMax));
      out.push_back({id, std::move(*tail)});
    }
  }
  return {};
}

Expected read_dry(const Fields& fields, const Backend& backend, engine::DryParams& out) {
  out.multiplier = static_cast<float>(fields.number("dry_multiplier", out.multiplier));
  out.base = static_cast<float>(fields.number("dry_base", out.base));
  out.allowed_length = static_cast<int>(fields.integer("dry_allowed_length", out.allowed_length));
  out.last_n = static_cast<int>(fields.integer("dry_penalty_last_n", out.last_n));
  std::vector<std::string> breakers = {"\n", ":", "\"", "*"};
  if (const Json* list = fields.get("dry_sequence_breakers")) {
    if (list->size() > kBreakersMax) {
      return api_fail(kBadRequest, "dry_sequence_breakers",
                      "dry_sequence_breakers has {} texts, the limit is {}", list->size(),
                      kBreakersMax);
    }
    breakers.clear();
    for (const Json& item : *list) {
      if (!item.is_string() || item.get_ref<const std::string&>().empty() ||
          item.get_ref<const std::string&>().size() > kBreakerBytesMax) {
        return api_fail(kBadRequest, "dry_sequence_breakers",
                        "dry_sequence_breakers must hold strings of 1 to {} bytes",
                        kBreakerBytesMax);
      }
      breakers.push_back(item.get<std::string>());
    }
  }
  if (out.multiplier == 0 || backend.grammars == nullptr) return {};
  for (const std::string& text : breakers) {
    if (auto good = add_breaker(text, backend, out.breakers); !good) return good;
  }
  return {};
}

}  // namespace

Expected read_llama_sampling(const Fields& fields, const Backend& backend,
                             engine::SamplingParams& out) {
  const auto number = [&](const char* name, float& target) {
    target = static_cast<float>(fields.number(name, target));
  };
  const auto integer = [&](const char* name, int& target) {
    target = static_cast<int>(fields.integer(name, target));
  };
  if (fields.get("repetition_penalty") == nullptr) number("repeat_penalty", out.repeat_penalty);
  if (!(out.repeat_penalty > 0)) {
    return api_fail(kBadRequest, "repeat_penalty", "repeat_penalty must be above 0, got {}",
                    out.repeat_penalty);
  }
  integer("repeat_last_n", out.repeat_last_n);
  number("top_n_sigma", out.top_n_sigma);
  number("xtc_probability", out.xtc_probability);
  number("xtc_threshold", out.xtc_threshold);
  number("dynatemp_range", out.dynatemp_range);
  number("dynatemp_exponent", out.dynatemp_exponent);
  integer("mirostat", out.mirostat);
  number("mirostat_tau", out.mirostat_tau);
  number("mirostat_eta", out.mirostat_eta);
  number("adaptive_target", out.adaptive_target);
  number("adaptive_decay", out.adaptive_decay);
  integer("min_keep", out.min_keep);
  out.predict_ms_max = fields.integer("t_max_predict_ms", 0);
  if (auto good = read_dry(fields, backend, out.dry); !good) return good;
  return read_chain(fields, out);
}

// Each word as it is, and behind a space where that is another token of the same count.
Expected read_bad_words(const Fields& fields, const Backend& backend, engine::SamplingParams& out) {
  const Json* list = fields.get("bad_words");
  if (list == nullptr) return {};
  if (list->size() > kBadWordsMax) {
    return api_fail(kBadRequest, "bad_words", "bad_words has {} words, the limit is {}",
                    list->size(), kBadWordsMax);
  }
  for (const Json& item : *list) {
    const std::string text = item.is_string() ? item.get<std::string>() : std::string();
    const std::size_t begin = text.find_first_not_of(" \t\n\r\f\v");
    if (begin == std::string::npos) {
      return api_fail(kBadRequest, "bad_words", "bad_words must hold strings that are not blank");
    }
    Ids plain;
    for (const char* before : {"", " "}) {
      auto ids = backend.engine->tokenizer().encode(before + text.substr(begin),
                                                    {.add_special_tokens = false});
      if (!ids) return tl::unexpected(api_error(ids.error()));
      if (ids->empty()) continue;
      if (*before == '\0') {
        plain = *ids;
      } else if (ids->size() != plain.size() || ids->front() == plain.front()) {
        continue;
      }
      out.bad_words.push_back(std::move(*ids));
    }
  }
  return {};
}

Expected read_stop_regex(const Fields& fields, engine::SamplingParams& out) {
  const Json* value = fields.get("stop_regex");
  if (value == nullptr) return {};
  const Json list = value->is_array() ? *value : Json::array({*value});
  std::string source;
  for (const Json& item : list) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      return api_fail(kBadRequest, "stop_regex", "stop_regex must be a pattern or a list of them");
    }
    const auto& pattern = item.get_ref<const std::string&>();
    if (list.size() == 1) {
      source = pattern;
    } else {
      source += (source.empty() ? "(?:" : "|(?:") + pattern + ")";
    }
  }
  if (source.empty()) return {};
  if (source.size() > kPatternBytesMax) {
    return api_fail(kBadRequest, "stop_regex", "stop_regex has {} bytes, the limit is {}",
                    source.size(), kPatternBytesMax);
  }
  auto pattern = engine::StopPattern::make(source);
  if (!pattern) {
    return api_fail(kBadRequest, "stop_regex", "stop_regex: {}", pattern.error().message);
  }
  out.stop_pattern = std::move(*pattern);
  return {};
}

}  // namespace quire::server
