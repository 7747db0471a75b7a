// Every client reads the context length under another name: /v1/models has them all.
#include "server/info_endpoints.h"

#include <algorithm>

#include "models/load/json.h"
#include "server/cache_json.h"
#include "server/fim.h"
#include "server/token_endpoints.h"

namespace quire::server {
namespace {

HttpResponse json_answer(const Json& body) {
  HttpResponse response;
  response.body = dump_json(body);
  return response;
}

bool takes(const engine::ModelCard& card, std::string_view medium) {
  return std::find(card.media.begin(), card.media.end(), medium) != card.media.end();
}

// What can be asked of the model, in Ollama's words ("insert" is fill-in-the-middle), and "chat".
Json capabilities_json(const Backend& backend) {
  const engine::ModelCard& card = backend.engine->card();
  const bool chats = static_cast<bool>(backend.render_chat);
  const std::pair<const char*, bool> known[] = {
      {"completion", true},
      {"chat", chats},
      {"tools", chats && backend.answer_format.tools != nullptr},
      {"thinking", chats && backend.answer_format.reasoning != nullptr},
      {"insert", find_fim_tokens(backend.engine->tokenizer()).has_value()},
      {"embedding", backend.pooling.embedding.has_value()},
      {"rerank", backend.pooling.rerank.has_value()},
      {"vision", takes(card, "image")},
      {"audio", takes(card, "audio")}};
  Json names = Json::array();
  for (const auto& [name, is] : known) {
    if (is) names.push_back(name);
  }
  return names;
}

Json model_json(const Backend& backend, std::int64_t created, const std::string& name) {
  const engine::ModelCard& card = backend.engine->card();
  Json model = Json::object();
  model["id"] = name;
  model["object"] = "model";
  model["created"] = created;
  model["owned_by"] = "quire";
  model["root"] = backend.model_names.front();
  model["parent"] = nullptr;
  model["max_model_len"] = card.context_max;
  model["context_length"] = card.context_max;
  model["context_window"] = card.context_max;
  model["capabilities"] = capabilities_json(backend);
  model["meta"] = {{"n_ctx", card.context_max},
                   {"n_vocab", card.vocab},
                   {"size", card.weight_bytes},
                   {"family", card.family}};
  return model;
}

}  // namespace

HttpResponse models_answer(const Backend& backend, std::int64_t created) {
  Json list = Json::array();
  for (const std::string& name : backend.model_names) {
    list.push_back(model_json(backend, created, name));
  }
  Json body = Json::object();
  body["object"] = "list";
  body["data"] = std::move(list);
  return json_answer(body);
}

HttpResponse model_answer(const Backend& backend, std::int64_t created, const std::string& id) {
  const auto& names = backend.model_names;
  if (std::find(names.begin(), names.end(), id) == names.end()) {
    return error_response({kModelNotFound,
                           fmt::format("the model \"{}\" does not exist; this server has {}",
                                       id.substr(0, 128), fmt::join(names, ", ")),
                           "model",
                           {}});
  }
  return json_answer(model_json(backend, created, id));
}

HttpResponse cancelled_answer(const std::string& id, std::size_t count) {
  if (count == 0) {
    return error_response({kPathNotFound,
                           fmt::format("no request \"{}\" is being answered", id.substr(0, 128)),
                           "id"});
  }
  return json_answer({{"id", id}, {"object", "request"}, {"cancelled", true}, {"count", count}});
}

HttpResponse version_answer() { return json_answer({{"version", kVersion}}); }

HttpResponse props_answer(const Backend& backend, const Settings& settings) {
  const engine::ModelCard& card = backend.engine->card();
  Json params = Json::object();
  params["n_ctx"] = card.context_max;
  for (const auto& [name, value] : card.generation_defaults) params[name] = value;
  Json flags = Json::object();
  for (const auto& [name, value] : list_settings(settings)) flags[name] = value;
  Json body = Json::object();
  body["default_generation_settings"] = {{"n_ctx", card.context_max}, {"params", params}};
  body["total_slots"] = card.max_num_seqs;
  body["model_path"] = card.folder;
  body["model_alias"] = backend.model_names.front();
  const Json tokenizer = tokenizer_info(backend);
  for (const char* name : {"chat_template", "bos_token", "eos_token"}) body[name] = tokenizer[name];
  body["modalities"] = {{"vision", takes(card, "image")}, {"audio", takes(card, "audio")}};
  body["build_info"] = fmt::format("quire {}", kVersion);
  body["isa"] = card.isa;
  body["threads"] = card.threads;
  body["weights_dtype"] = card.weights_dtype;
  body["arithmetic"] = card.arithmetic;
  body["kv_cache_dtype"] = card.kv_dtype;
  body["kv_cache_bytes"] = card.kv_bytes;
  body["kv_cache_tokens"] = card.kv_tokens;
  body["block_size"] = card.block_size;
  body["fingerprint"] = card.fingerprint;
  body["settings"] = std::move(flags);
  return json_answer(body);
}

HttpResponse slots_answer(const Backend& backend) {
  const Time now = SteadyClock().now();
  Json list = Json::array();
  for (const engine::RequestInfo& info : backend.engine->requests()) {
    Json slot = Json::object();
    slot["id"] = list.size();
    slot["id_task"] = info.id;
    slot["n_ctx"] = backend.engine->card().context_max;
    slot["is_processing"] = info.running;
    slot["n_prompt_tokens"] = info.prompt_tokens;
    slot["n_prompt_tokens_processed"] = std::min(info.computed_tokens, info.prompt_tokens);
    slot["n_decoded"] = info.output_tokens;
    slot["preemptions"] = info.preemptions;
    slot["age_ms"] = to_seconds(now - info.arrival) * 1e3;
    list.push_back(std::move(slot));
  }
  return json_answer(list);
}

HttpResponse load_answer(const Backend& backend) {
  const engine::EngineStats stats = backend.engine->stats();
  return json_answer({{"server_load", stats.running + stats.waiting},
                      {"running", stats.running},
                      {"waiting", stats.waiting}});
}

HttpResponse cache_stats_answer(const Backend& backend) {
  const cache::CacheStats cache = backend.engine->stats().cache;
  Json groups = Json::array();
  for (const cache::PoolStats& pool : cache.groups) groups.push_back(pool_json(pool));
  Json body = Json::object();
  body["pages"] = std::move(groups);
  body["states"] = pool_json(cache.states);
  add_prefix_totals(cache, body);
  return json_answer(body);
}

HttpResponse cache_reset_answer(const Backend& backend) {
  const auto reset = backend.engine->reset_cache();
  return json_answer({{"kv_pages_freed", reset.pages_freed}, {"states_freed", reset.states_freed}});
}

}  // namespace quire::server
