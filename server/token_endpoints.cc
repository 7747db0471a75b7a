// vLLM's field names (prompt, messages, tokens) and llama.cpp's (content, add_special).
#include "server/token_endpoints.h"

#include <fstream>
#include <optional>
#include <sstream>

#include "server/chat_prompt.h"
#include "server/openai_request.h"
#include "server/request_body.h"
#include "server/token_offsets.h"

namespace quire::server {
namespace {

using Answer = tl::expected<Json, ApiError>;

HttpResponse finish(const Answer& answer) {
  if (!answer) return error_response(answer.error());
  HttpResponse response;
  response.body = dump_json(*answer);
  return response;
}

tl::expected<CheckedBody, ApiError> read_body(std::string_view body, Endpoint endpoint,
                                              const Backend& backend, const RequestPolicy& policy) {
  auto checked = open_body(body, endpoint, policy);
  if (!checked) return checked;
  if (auto good = check_model(Fields(checked->json), backend); !good) {
    return tl::unexpected(good.error());
  }
  return checked;
}

Json pieces(const text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  Json out = Json::array();
  for (const std::int32_t id : ids) out.push_back(tokenizer.token(id));
  return out;
}

Answer tokenize(const Backend& backend, const RequestPolicy& policy, std::string_view text) {
  auto body = read_body(text, kTokenize, backend, policy);
  if (!body) return tl::unexpected(body.error());
  const Fields fields(body->json);
  std::string prompt;
  bool special = true;
  if (fields.get("messages") != nullptr) {
    auto rendered = render_chat_prompt(fields, backend, policy);
    if (!rendered) return tl::unexpected(rendered.error());
    prompt = std::move(*rendered);
    special = false;
  } else {
    const char* const name = fields.get("content") != nullptr ? "content" : "prompt";
    const Json* value = fields.get(name);
    if (value == nullptr) return api_fail(kBadRequest, "prompt", "prompt is missing");
    if (!value->is_string()) return api_fail(kBadRequest, name, "{} must be a string", name);
    prompt = value->get<std::string>();
    special = std::string_view(name) == "prompt";  // llama.cpp adds none unless asked
  }
  special = fields.flag("add_special_tokens", fields.flag("add_special", special));
  const text::Tokenizer& tokenizer = backend.engine->tokenizer();
  const auto ids = tokenizer.encode(
      prompt, {.add_special_tokens = special, .parse_special = fields.flag("parse_special", true)});
  if (!ids) return tl::unexpected(api_error(ids.error()));
  Json out = Json::object();
  out["count"] = ids->size();
  out["max_model_len"] = backend.engine->card().context_max;
  out["tokens"] = *ids;
  if (fields.flag("with_pieces", false)) {
    Json list = Json::array();
    for (const std::int32_t id : *ids) list.push_back({{"id", id}, {"piece", tokenizer.token(id)}});
    out["tokens"] = std::move(list);
  }
  if (fields.flag("return_token_strs", false)) out["token_strs"] = pieces(tokenizer, *ids);
  if (fields.flag("return_token_offsets", false)) {
    out["token_offsets"] = offsets_json(token_offsets(tokenizer, *ids, prompt));
  }
  if (!body->warnings.empty()) out["warnings"] = body->warnings;
  return out;
}

Answer detokenize(const Backend& backend, const RequestPolicy& policy, std::string_view text) {
  auto body = read_body(text, kDetokenize, backend, policy);
  if (!body) return tl::unexpected(body.error());
  const Fields fields(body->json);
  const Json* tokens = fields.get("tokens");
  if (tokens == nullptr) return api_fail(kBadRequest, "tokens", "tokens is missing");
  auto ids = read_token_ids(*tokens, "tokens", backend.engine->card().vocab);
  if (!ids) return tl::unexpected(ids.error());
  const auto decoded = backend.engine->tokenizer().decode(
      *ids, {.skip_special_tokens = fields.flag("skip_special_tokens", false)});
  if (!decoded) return tl::unexpected(api_error(decoded.error()));
  Json out = Json::object();
  out["prompt"] = *decoded;
  out["content"] = *decoded;
  if (!body->warnings.empty()) out["warnings"] = body->warnings;
  return out;
}

Answer apply_template(const Backend& backend, const RequestPolicy& policy, std::string_view text) {
  auto body = read_body(text, kApplyTemplate, backend, policy);
  if (!body) return tl::unexpected(body.error());
  auto prompt = render_chat_prompt(Fields(body->json), backend, policy);
  if (!prompt) return tl::unexpected(prompt.error());
  Json out = Json::object();
  out["prompt"] = *prompt;
  if (!body->warnings.empty()) out["warnings"] = body->warnings;
  return out;
}

}  // namespace

Json tokenizer_info(const Backend& backend) {
  const auto read_file = [&](const char* name) {
    std::ifstream file(backend.engine->card().folder + "/" + name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
  };
  auto config = parse_json(read_file("tokenizer_config.json"), {.allow_non_finite = true});
  Json out = config && config->is_object() ? std::move(*config) : Json::object();
  out.erase("added_tokens_decoder");
  const text::Tokenizer& tokenizer = backend.engine->tokenizer();
  const auto fill = [&](const char* name, std::optional<std::int32_t> id) {
    if (find_member(out, name) == nullptr || out[name].is_null()) {
      out[name] = id ? Json(tokenizer.token(*id)) : Json(nullptr);
    }
    if (out[name].is_object()) out[name] = out[name].value("content", Json(nullptr));
  };
  fill("bos_token", tokenizer.bos_id());
  fill("eos_token", tokenizer.eos_id());
  fill("pad_token", std::nullopt);
  if (find_member(out, "chat_template") == nullptr) {
    const std::string source = read_file("chat_template.jinja");
    out["chat_template"] = source.empty() ? Json(nullptr) : Json(source);
  }
  out["vocab_size"] = tokenizer.vocab_size();
  return out;
}

HttpResponse tokenizer_info_answer(const Backend& backend) {
  HttpResponse response;
  response.body = dump_json(tokenizer_info(backend));
  return response;
}

HttpResponse tokenize_answer(const Backend& backend, const RequestPolicy& policy,
                             std::string_view body) {
  return finish(tokenize(backend, policy, body));
}

HttpResponse detokenize_answer(const Backend& backend, const RequestPolicy& policy,
                               std::string_view body) {
  return finish(detokenize(backend, policy, body));
}

HttpResponse apply_template_answer(const Backend& backend, const RequestPolicy& policy,
                                   std::string_view body) {
  return finish(apply_template(backend, policy, body));
}

}  // namespace quire::server
