// Order of the checks: fields, model, sampling, prompts, lengths. The first error is the answer.
#include "server/openai_request.h"

#include <algorithm>
#include <utility>

#include "server/chat_prompt.h"
#include "server/fim.h"
#include "server/legacy_functions.h"
#include "server/openai_response.h"
#include "server/openai_sampling.h"
#include "server/request_body.h"

namespace quire::server {
namespace {

constexpr std::size_t kPromptsMax = 256;
constexpr std::size_t kSaltBytesMax = 128;
constexpr const char* kPredictField = "n_predict";

// OpenAI's names, "priority" and "fast" being the same, and Anthropic's. Lower runs first.
struct ServiceTier {
  std::string_view name;
  int priority;
};
constexpr ServiceTier kTiers[] = {{"auto", 0},  {"default", 0},   {"standard_only", 0},
                                  {"scale", 0}, {"priority", -1}, {"fast", -1},
                                  {"flex", 1}};

int tier_priority(std::string_view tier) {
  const auto it = std::find_if(std::begin(kTiers), std::end(kTiers),
                               [&](const ServiceTier& one) { return one.name == tier; });
  return it == std::end(kTiers) ? 0 : it->priority;
}

using Expected = tl::expected<void, ApiError>;
using Ids = std::vector<std::int32_t>;

struct Prompt {
  Ids ids;
  std::string text;  // empty for a prompt of ids until it is to be echoed
};

class Planner {
 public:
  Planner(Endpoint endpoint, const Json& body, const Backend& backend, const RequestPolicy& policy)
      : endpoint_(endpoint), fields_(body), backend_(backend), policy_(policy) {}

  Expected run(GenerationPlan& plan);

 private:
  Expected read_answer(GenerationPlan& plan) const;
  Expected read_tier(GenerationPlan& plan) const;
  Expected read_choices(GenerationPlan& plan) const;
  tl::expected<std::vector<Prompt>, ApiError> read_prompts() const;
  tl::expected<Prompt, ApiError> chat_prompt() const;
  tl::expected<Prompt, ApiError> text_prompt(const std::string& text, bool special_default) const;
  tl::expected<Prompt, ApiError> middle_prompt(const std::string& text) const;
  Expected truncate(Ids& ids, std::int64_t reserved) const;
  tl::expected<std::int64_t, ApiError> fit(std::int64_t prompt_tokens) const;
  // The field that bounds the answer, and its value: -1 where there is none.
  std::pair<const char*, std::int64_t> asked_max_tokens() const;
  Expected show(const Prompt& prompt, bool truncated, const GenerationPlan& plan,
                PromptPlan& out) const;
  Expected fill(Prompt prompt, const GenerationPlan& plan, const engine::SamplingParams& sampling,
                PromptPlan& out) const;
  tl::expected<Ids, ApiError> read_prediction() const;

  const text::Tokenizer& tokenizer() const { return backend_.engine->tokenizer(); }
  std::int64_t context_max() const { return backend_.engine->card().context_max; }

  Endpoint endpoint_;
  Fields fields_;
  const Backend& backend_;
  const RequestPolicy& policy_;
};

Expected Planner::run(GenerationPlan& plan) {
  plan.endpoint = endpoint_;
  if (auto good = check_model(fields_, backend_); !good) return good;
  plan.model = fields_.text("model", backend_.model_names.front());
  if (auto good = read_answer(plan); !good) return good;
  if (auto good = read_choices(plan); !good) return good;
  auto sampling = read_sampling(fields_, endpoint_, backend_, policy_);
  if (!sampling) return tl::unexpected(sampling.error());
  if (fields_.get("repeat_penalty") != nullptr && fields_.get("repetition_penalty") != nullptr) {
    plan.warnings.emplace_back("repeat_penalty has no effect beside repetition_penalty");
  }
  plan.logprobs = sampling->logprobs;
  if (!sampling->logprob_token_ids.empty()) {
    plan.logprobs = static_cast<int>(sampling->logprob_token_ids.size());
  }
  plan.prompt_logprobs = sampling->prompt_logprobs;
  plan.shows_prompt_logprobs = fields_.get("prompt_logprobs") != nullptr;
  auto prompts = read_prompts();
  if (!prompts) return tl::unexpected(prompts.error());
  auto answer = plan_answer(fields_, endpoint_, backend_,
                            endpoint_ == kChat ? prompts->front().text : std::string_view());
  if (!answer) return tl::unexpected(answer.error());
  plan.answer = std::move(*answer);
  for (Prompt& prompt : *prompts) {
    plan.prompts.emplace_back();
    if (auto good = fill(std::move(prompt), plan, *sampling, plan.prompts.back()); !good) {
      return good;
    }
  }
  return {};
}

Expected Planner::read_answer(GenerationPlan& plan) const {
  plan.stream = fields_.flag("stream", false);
  plan.stream_interval = fields_.integer("stream_interval", 1);
  plan.receipt = fields_.flag("receipt", policy_.receipts);
  for (const char* name : {"request_id", "rid"}) {
    const Json* id = fields_.get(name);
    if (id != nullptr && id->is_string()) plan.request_id = id->get<std::string>();
  }
  if (auto good = read_tier(plan); !good) return good;
  plan.echo = fields_.flag("echo", false);
  plan.detokenize = fields_.flag("detokenize", true);
  plan.return_token_ids = fields_.flag("return_token_ids", false) || !plan.detokenize;
  plan.tokens_as_ids = fields_.flag("return_tokens_as_token_ids", false);
  plan.return_prompt_text = fields_.flag("return_prompt_text", false);
  plan.return_token_offsets = fields_.flag("return_token_offsets", false);
  for (const char* name : {"stop", "stop_regex"}) {
    if (plan.detokenize || fields_.get(name) == nullptr) continue;
    return api_fail(kBadRequest, name, "{} needs the text that detokenize: false leaves out", name);
  }
  const Json* options = fields_.get("stream_options");
  if (options == nullptr) return {};
  if (!plan.stream) {
    return api_fail(kBadRequest, "stream_options", "stream_options needs stream to be true");
  }
  for (const auto& [name, value] : options->items()) {
    if (value.is_null()) continue;
    if (!value.is_boolean()) {
      return api_fail(kBadRequest, "stream_options." + name.substr(0, 64),
                      "stream_options.{} must be true or false", name.substr(0, 64));
    }
    if (name == "include_usage") {
      plan.include_usage = value.get<bool>();
    } else if (name == "continuous_usage_stats") {
      plan.continuous_usage = value.get<bool>();
    } else if (name != "include_obfuscation") {
      return api_fail(kUnknownField, "stream_options." + name.substr(0, 64),
                      "unknown field \"stream_options.{}\"", name.substr(0, 64));
    }
  }
  return {};
}

// The tier that serves the request: a server has but one, whose queue has an order.
Expected Planner::read_tier(GenerationPlan& plan) const {
  const std::string tier = fields_.text("service_tier", "auto");
  const bool known = std::any_of(std::begin(kTiers), std::end(kTiers),
                                 [&](const ServiceTier& one) { return one.name == tier; });
  if (!known) {
    return api_fail(kBadRequest, "service_tier", "service_tier \"{}\" is none that is known",
                    tier.substr(0, 64));
  }
  plan.shows_tier = fields_.get("service_tier") != nullptr;
  plan.service_tier = tier == "auto" || tier == "standard_only" ? "default" : tier;
  return {};
}

Expected Planner::read_choices(GenerationPlan& plan) const {
  plan.n = static_cast<int>(fields_.integer("n", 1));
  const std::int64_t best_of = fields_.integer("best_of", plan.n);
  if (fields_.get("n") == nullptr) {
    plan.n = static_cast<int>(best_of);
  } else if (best_of != plan.n) {
    return api_fail(kUnsupportedField, "best_of",
                    "best_of {} differs from n {}; ranking choices is not supported here", best_of,
                    plan.n);
  }
  if (fields_.text("cache_salt", "-").empty() ||
      fields_.text("cache_salt", "").size() > kSaltBytesMax) {
    return api_fail(kBadRequest, "cache_salt", "cache_salt must have 1 to {} bytes", kSaltBytesMax);
  }
  const std::string side = fields_.text("truncation_side", "left");
  if (side != "left" && side != "right") {
    return api_fail(kBadRequest, "truncation_side", "truncation_side must be left or right");
  }
  return {};
}

tl::expected<Prompt, ApiError> Planner::text_prompt(const std::string& text,
                                                    bool special_default) const {
  if (fields_.get("truncate_prompt_tokens") == nullptr) {
    const std::size_t bytes = text.size() + fields_.text("suffix", "").size();
    const auto good =
        check_prompt_bytes(bytes, endpoint_ == kChat ? "messages" : "prompt", backend_);
    if (!good) return tl::unexpected(good.error());
  }
  if (endpoint_ == kCompletions && !fields_.text("suffix", "").empty()) return middle_prompt(text);
  Prompt prompt;
  prompt.text = text;
  const bool special = fields_.flag("add_special_tokens", special_default);
  auto ids = tokenizer().encode(text, {.add_special_tokens = special});
  if (!ids) return tl::unexpected(api_error(ids.error()));
  prompt.ids = std::move(*ids);
  if (prompt.ids.empty()) {
    const auto first = tokenizer().bos_id() ? tokenizer().bos_id() : tokenizer().eos_id();
    if (!first) {
      return api_fail(kBadRequest, "prompt", "an empty prompt needs a model with a BOS token");
    }
    prompt.ids.push_back(*first);
  }
  return prompt;
}

// The text before and the suffix after the gap, as the model marks them.
tl::expected<Prompt, ApiError> Planner::middle_prompt(const std::string& text) const {
  const auto tokens = find_fim_tokens(tokenizer());
  if (!tokens) {
    return api_fail(kUnsupportedField, "suffix",
                    "suffix: the model has no fill-in-the-middle tokens");
  }
  auto ids = fim_prompt(tokenizer(), *tokens, {text, fields_.text("suffix", ""), {}});
  if (!ids) return tl::unexpected(api_error(ids.error()));
  return Prompt{std::move(*ids), text};
}

tl::expected<Prompt, ApiError> Planner::chat_prompt() const {
  const auto text = render_chat_prompt(fields_, backend_, policy_);
  if (!text) return tl::unexpected(text.error());
  return text_prompt(*text, false);
}

tl::expected<std::vector<Prompt>, ApiError> Planner::read_prompts() const {
  std::vector<Prompt> prompts;
  const auto add = [&](tl::expected<Prompt, ApiError> prompt) -> Expected {
    if (!prompt) return tl::unexpected(prompt.error());
    prompts.push_back(std::move(*prompt));
    return {};
  };
  if (endpoint_ == kChat) {
    if (auto good = add(chat_prompt()); !good) return tl::unexpected(good.error());
    return prompts;
  }
  const Json* prompt = fields_.get("prompt");
  if (prompt == nullptr) return api_fail(kBadRequest, "prompt", "prompt is missing");
  const auto add_ids = [&](const Json& list, const std::string& name) -> Expected {
    auto ids = read_token_ids(list, name, backend_.engine->card().vocab);
    if (!ids) return tl::unexpected(ids.error());
    if (ids->empty()) return api_fail(kBadRequest, name, "{} has no tokens", name);
    return add(Prompt{std::move(*ids), {}});
  };
  const auto fail_type = [] {
    return api_fail(kBadRequest, "prompt",
                    "prompt must be a string, an array of strings, an array of token ids, or an "
                    "array of arrays of token ids");
  };
  if (prompt->is_string()) {
    if (auto good = add(text_prompt(prompt->get<std::string>(), true)); !good) {
      return tl::unexpected(good.error());
    }
    return prompts;
  }
  if (!prompt->is_array()) return fail_type();
  if (prompt->empty()) return api_fail(kBadRequest, "prompt", "prompt is an empty array");
  if (prompt->front().is_number()) {
    if (auto good = add_ids(*prompt, "prompt"); !good) return tl::unexpected(good.error());
    return prompts;
  }
  if (prompt->size() > kPromptsMax) {
    return api_fail(kBadRequest, "prompt", "prompt has {} entries, the limit is {}", prompt->size(),
                    kPromptsMax);
  }
  for (std::size_t i = 0; i < prompt->size(); ++i) {
    const Json& item = (*prompt)[i];
    if (item.type() != prompt->front().type()) return fail_type();
    Expected good;
    if (item.is_string()) {
      good = add(text_prompt(item.get<std::string>(), true));
    } else if (item.is_array()) {
      good = add_ids(item, fmt::format("prompt[{}]", i));
    } else {
      return fail_type();
    }
    if (!good) return tl::unexpected(good.error());
  }
  return prompts;
}

std::pair<const char*, std::int64_t> Planner::asked_max_tokens() const {
  for (const char* name : {"max_completion_tokens", "max_tokens", kPredictField}) {
    const std::int64_t value = fields_.integer(name, -1);
    if (value >= 0) return {name, value};
  }
  return {"max_tokens", -1};
}

Expected Planner::truncate(Ids& ids, std::int64_t reserved) const {
  if (fields_.get("truncate_prompt_tokens") == nullptr) return {};
  std::int64_t keep = fields_.integer("truncate_prompt_tokens", -1);
  if (keep == 0) {
    return api_fail(kBadRequest, "truncate_prompt_tokens",
                    "truncate_prompt_tokens must be -1 or at least 1, got 0");
  }
  if (keep < 0) keep = std::max<std::int64_t>(1, context_max() - reserved);
  const auto count = static_cast<std::int64_t>(ids.size());
  if (count <= keep) return {};
  if (fields_.text("truncation_side", "left") == "left") {
    ids.erase(ids.begin(), ids.begin() + (count - keep));
  } else {
    ids.resize(static_cast<std::size_t>(keep));
  }
  return {};
}

// How many tokens may follow a prompt of that length.
tl::expected<std::int64_t, ApiError> Planner::fit(std::int64_t prompt_tokens) const {
  const auto [name, asked] = asked_max_tokens();
  const std::int64_t rest = context_max() - prompt_tokens;
  // llama.cpp's clients send n_predict 0 to bring a prompt into the cache.
  const bool may_be_none = (endpoint_ == kCompletions && fields_.flag("echo", false)) ||
                           fields_.get("prompt_logprobs") != nullptr || name == kPredictField;
  if (asked == 0 && !may_be_none) {
    return api_fail(kBadRequest, name,
                    "{} must be at least 1 without echo or prompt_logprobs, got 0", name);
  }
  if (asked > rest || rest < 0 || (asked < 0 && rest < 1)) {
    ApiError error{kContextLength,
                   fmt::format("this model's maximum context length is {} tokens, but the request "
                               "has {} in the prompt and asks for {} more",
                               context_max(), prompt_tokens, asked < 0 ? 1 : asked),
                   endpoint_ == kChat ? "messages" : "prompt",
                   {{"n_prompt_tokens", prompt_tokens},
                    {"n_ctx", context_max()},
                    {"max_tokens", asked < 0 ? 1 : asked}}};
    return tl::unexpected(std::move(error));
  }
  return asked < 0 ? rest : asked;
}

tl::expected<Ids, ApiError> Planner::read_prediction() const {
  const Json* prediction = fields_.get("prediction");
  if (prediction == nullptr) return Ids{};
  const Json* type = find_member(*prediction, "type");
  if (type != nullptr && *type != "content") {
    return api_fail(kBadRequest, "prediction.type", "prediction.type must be \"content\"");
  }
  const Json* content = find_member(*prediction, "content");
  std::string text;
  if (content != nullptr && content->is_string()) {
    text = content->get<std::string>();
  } else if (content != nullptr && content->is_array()) {
    for (const Json& part : *content) {
      const Json* piece = find_member(part, "text");
      if (piece == nullptr || !piece->is_string()) {
        return api_fail(kBadRequest, "prediction", "prediction.content parts must have a text");
      }
      text += piece->get<std::string>();
    }
  } else {
    return api_fail(kBadRequest, "prediction", "prediction.content must be a string or parts");
  }
  auto ids = tokenizer().encode(text, {.add_special_tokens = false});
  if (!ids) return tl::unexpected(api_error(ids.error()));
  return std::move(*ids);
}

// What the answer tells about the prompt.
Expected Planner::show(const Prompt& prompt, bool truncated, const GenerationPlan& plan,
                       PromptPlan& out) const {
  if (plan.return_token_ids) out.prompt_ids = prompt.ids;
  const bool repeats = plan.echo && endpoint_ == kCompletions;
  if (repeats || plan.return_prompt_text || plan.return_token_offsets) {
    out.text = prompt.text;
    if (out.text.empty() || truncated) {
      auto text = tokenizer().decode(prompt.ids, {.skip_special_tokens = false});
      if (!text) return tl::unexpected(api_error(text.error()));
      out.text = std::move(*text);
    }
  }
  if (plan.return_token_offsets) out.offsets = token_offsets(tokenizer(), prompt.ids, out.text);
  if (plan.echo) out.echo = repeats ? out.text : echoed_message(fields_);
  return {};
}

Expected Planner::fill(Prompt prompt, const GenerationPlan& plan,
                       const engine::SamplingParams& sampling, PromptPlan& out) const {
  const std::int64_t reserved = std::max<std::int64_t>(1, asked_max_tokens().second);
  const std::size_t before = prompt.ids.size();
  if (auto good = truncate(prompt.ids, reserved); !good) return good;
  const auto max_tokens = fit(static_cast<std::int64_t>(prompt.ids.size()));
  if (!max_tokens) return tl::unexpected(max_tokens.error());
  if (sampling.min_tokens > *max_tokens) {
    return api_fail(kBadRequest, "min_tokens", "min_tokens {} exceeds max_tokens {}",
                    sampling.min_tokens, *max_tokens);
  }
  if (auto good = show(prompt, prompt.ids.size() != before, plan, out); !good) return good;
  out.prompt_tokens = static_cast<std::int64_t>(prompt.ids.size());
  out.max_tokens = *max_tokens;
  auto predicted = read_prediction();
  if (!predicted) return tl::unexpected(predicted.error());
  engine::GenerateRequest& request = out.request;
  request.predicted = std::move(*predicted);
  request.prompt = std::move(prompt.ids);
  request.sampling = sampling;
  request.sampling.max_tokens = *max_tokens;
  request.n = plan.n;
  plan.answer.apply(request);
  request.priority =
      static_cast<int>(fields_.integer("priority", tier_priority(plan.service_tier)));
  request.cache_salt = fields_.text("cache_salt", "");
  double timeout_s = std::min(policy_.timeout_s, fields_.number("timeout", policy_.timeout_s));
  if (fields_.get("deadline_ms") != nullptr) {
    timeout_s = std::min(timeout_s, static_cast<double>(fields_.integer("deadline_ms", 0)) / 1e3);
  }
  request.timeout = from_seconds(timeout_s);
  return {};
}

}  // namespace

tl::expected<void, ApiError> check_prompt_bytes(std::size_t bytes, const std::string& name,
                                                const Backend& backend) {
  if (backend.prompt_bytes_max == 0 || bytes <= backend.prompt_bytes_max) return {};
  const std::int64_t context_max = backend.engine->card().context_max;
  return tl::unexpected(ApiError{
      kContextLength,
      fmt::format("this model's maximum context length is {} tokens, which the prompt's {} bytes "
                  "cannot fit",
                  context_max, bytes),
      name,
      {{"n_ctx", context_max}}});
}

tl::expected<Ids, ApiError> read_token_ids(const Json& list, const std::string& name,
                                           std::int32_t vocab) {
  Ids ids;
  if (!list.is_array()) return api_fail(kBadRequest, name, "{} must be an array of ids", name);
  ids.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto id = json_integer(list[i], fmt::format("{}[{}]", name, i), 0, vocab - 1);
    if (!id) {
      ApiError error = api_error(id.error());
      error.param = name;
      return tl::unexpected(std::move(error));
    }
    ids.push_back(static_cast<std::int32_t>(*id));
  }
  return ids;
}

tl::expected<GenerationPlan, ApiError> plan_generation(Endpoint endpoint, std::string_view body,
                                                       const Backend& backend,
                                                       const RequestPolicy& policy) {
  auto parsed = parse_body(body);
  if (!parsed) return tl::unexpected(parsed.error());
  if (endpoint != kChat) return plan_parsed(endpoint, *parsed, backend, policy);
  const Fields fields(*parsed);
  const bool is_old = fields.get("tools") == nullptr && (fields.get("functions") != nullptr ||
                                                         fields.get("function_call") != nullptr);
  const auto legacy = lift_legacy_functions(*parsed);
  if (!legacy) return tl::unexpected(legacy.error());
  auto plan = plan_parsed(endpoint, *parsed, backend, policy);
  if (!plan) return tl::unexpected(is_old ? rename_legacy(plan.error()) : plan.error());
  plan->legacy_functions = *legacy;
  return plan;
}

tl::expected<GenerationPlan, ApiError> plan_parsed(Endpoint endpoint, const Json& body,
                                                   const Backend& backend,
                                                   const RequestPolicy& policy) {
  auto warnings = check_fields(body, endpoint, policy.strict_fields);
  if (!warnings) return tl::unexpected(warnings.error());
  GenerationPlan plan;
  plan.make_writer = make_openai_writer;
  plan.warnings = std::move(*warnings);
  Planner planner(endpoint, body, backend, policy);
  if (auto good = planner.run(plan); !good) return tl::unexpected(good.error());
  return plan;
}

}  // namespace quire::server
