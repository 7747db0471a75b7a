// The body becomes one of /v1/completions; what only llama.cpp's answers show goes to the writer.
#include "server/llama_request.h"

#include <algorithm>
#include <array>

#include "server/fim.h"
#include "server/llama_writer.h"
#include "server/request_body.h"
#include "server/translate.h"

namespace quire::server {
namespace {

constexpr std::array<std::string_view, 1> kOwn{"prompt"};
constexpr std::size_t kFieldsMax = 64;

using Prompt = tl::expected<Json, ApiError>;  // as /v1/completions takes it

tl::expected<FimParts, ApiError> read_parts(const Fields& fields) {
  FimParts parts;
  if (const Json* prompt = fields.get("prompt"); prompt != nullptr && !prompt->is_string()) {
    return api_fail(kBadRequest, "prompt", "prompt must be a string");
  }
  parts.prefix = fields.text("input_prefix", "") + fields.text("prompt", "");
  parts.suffix = fields.text("input_suffix", "");
  const Json* extra = fields.get("input_extra");
  for (std::size_t i = 0; extra != nullptr && i < extra->size(); ++i) {
    const Json* text = find_member((*extra)[i], "text");
    const Json* name = find_member((*extra)[i], "filename");
    if (text == nullptr || !text->is_string() || (name != nullptr && !name->is_string())) {
      return api_fail(kBadRequest, fmt::format("input_extra[{}]", i),
                      "input_extra[{}] must have a text, and a filename that is a string", i);
    }
    parts.files.emplace_back(name != nullptr ? name->get<std::string>() : "tmp",
                             text->get<std::string>());
  }
  return parts;
}

Prompt infill_prompt(const Fields& fields, const Backend& backend) {
  const text::Tokenizer& tokenizer = backend.engine->tokenizer();
  const auto tokens = find_fim_tokens(tokenizer);
  if (!tokens) {
    return api_fail(kUnsupportedEndpoint, "", "the model has no fill-in-the-middle tokens");
  }
  const auto parts = read_parts(fields);
  if (!parts) return tl::unexpected(parts.error());
  std::size_t bytes = parts->prefix.size() + parts->suffix.size();
  for (const auto& [name, text] : parts->files) bytes += name.size() + text.size();
  if (auto good = check_prompt_bytes(bytes, "input_prefix", backend); !good) {
    return tl::unexpected(good.error());
  }
  const auto ids = fim_prompt(tokenizer, *tokens, *parts);
  if (!ids) return tl::unexpected(api_error(ids.error()));
  return Json(*ids);
}

bool is_text(const Json& item) { return item.is_string(); }
bool is_number(const Json& item) { return item.is_number(); }

// Texts between ids are one prompt; only a text at its beginning gets the tokenizer's BOS.
Prompt joined_prompt(const Json& items, const Fields& fields, const Backend& backend) {
  std::size_t bytes = 0;
  for (const Json& item : items)
    bytes += is_text(item) ? item.get_ref<const std::string&>().size() : 0;
  if (auto good = check_prompt_bytes(bytes, "prompt", backend); !good) {
    return tl::unexpected(good.error());
  }
  Json ids = Json::array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Json& item = items[i];
    if (!is_text(item)) {
      ids.push_back(item);
      continue;
    }
    const bool special = i == 0 && fields.flag("add_special_tokens", true);
    const auto part = backend.engine->tokenizer().encode(item.get_ref<const std::string&>(),
                                                         {.add_special_tokens = special});
    if (!part) return tl::unexpected(api_error(part.error()));
    for (const std::int32_t id : *part) ids.push_back(id);
  }
  return ids;
}

// A text, ids, both in one list, or a list of such prompts.
Prompt native_prompt(const Fields& fields, const Backend& backend) {
  const Json& prompt = *fields.get("prompt");
  if (!prompt.is_array()) return prompt;
  const bool texts = std::any_of(prompt.begin(), prompt.end(), is_text);
  if (std::any_of(prompt.begin(), prompt.end(), is_number)) {
    return texts ? joined_prompt(prompt, fields, backend) : Prompt(prompt);
  }
  if (texts && std::all_of(prompt.begin(), prompt.end(), is_text)) return prompt;
  // Of several kinds: all become ids.
  Json out = Json::array();
  for (const Json& item : prompt) {
    if (!item.is_array() && !is_text(item)) {
      return api_fail(kBadRequest, "prompt", "prompt must hold texts, token ids and lists of them");
    }
    auto ids = joined_prompt(is_text(item) ? Json::array({item}) : item, fields, backend);
    if (!ids) return ids;
    out.push_back(std::move(*ids));
  }
  return out;
}

tl::expected<std::vector<std::string>, ApiError> read_response_fields(const Fields& fields) {
  std::vector<std::string> out;
  const Json* list = fields.get("response_fields");
  if (list == nullptr) return out;
  if (list->size() > kFieldsMax) {
    return api_fail(kBadRequest, "response_fields", "response_fields has {} names, the limit is {}",
                    list->size(), kFieldsMax);
  }
  for (const Json& item : *list) {
    if (!item.is_string()) {
      return api_fail(kBadRequest, "response_fields", "response_fields must hold names, got {}",
                      item.type_name());
    }
    out.push_back(item.get<std::string>());
  }
  return out;
}

}  // namespace

tl::expected<GenerationPlan, ApiError> plan_llama(Endpoint endpoint, std::string_view text,
                                                  const Backend& backend,
                                                  const RequestPolicy& policy) {
  const auto body = open_body(text, endpoint, policy);
  if (!body) return tl::unexpected(body.error());
  const Fields fields(body->json);
  auto prompt =
      endpoint == kInfill ? infill_prompt(fields, backend) : native_prompt(fields, backend);
  if (!prompt) return tl::unexpected(prompt.error());
  auto shown = read_response_fields(fields);
  if (!shown) return tl::unexpected(shown.error());
  Json completion = copy_shared_fields(body->json, endpoint, kCompletions, kOwn);
  completion["prompt"] = std::move(*prompt);
  completion["return_prompt_text"] = true;
  auto plan = plan_parsed(kCompletions, completion, backend, policy);
  if (!plan) return plan;
  plan->warnings.insert(plan->warnings.begin(), body->warnings.begin(), body->warnings.end());
  plan->return_token_ids = fields.flag("return_tokens", false);
  LlamaShape shape;
  shape.n_probs = static_cast<int>(fields.integer("n_probs", 0));
  shape.post_sampling = shape.n_probs > 0 && fields.flag("post_sampling_probs", false);
  shape.fields = std::move(*shown);
  for (PromptPlan& it : plan->prompts) it.request.sampling.logprobs_drawn = shape.post_sampling;
  shape.settings = llama_settings(plan->prompts.front().request);
  plan->make_writer = make_llama_writer(std::move(shape));
  return plan;
}

}  // namespace quire::server
