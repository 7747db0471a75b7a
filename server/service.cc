// Handlers that touch the model run on worker threads; probes answer on the I/O thread.
#include "server/service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "engine/grammar/matcher.h"
#include "server/answer_values.h"
#include "server/endpoints.h"
#include "server/info_endpoints.h"
#include "server/messages_request.h"
#include "server/messages_writer.h"
#include "server/openapi.h"
#include "server/page_endpoint.h"
#include "server/prompt_bound.h"
#include "server/responses_request.h"
#include "server/token_endpoints.h"

namespace quire::server {
namespace {

HttpResponse plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  if (status == 503) response.fields.push_back({"Retry-After", "1"});
  return response;
}

bool is_quick(std::string_view path) {
  return path == "/livez" || path == "/health" || path == "/readyz" || path == "/" ||
         path.starts_with("/page/");
}

}  // namespace

Service::Service(const Settings& settings) : settings_(settings) {
  policy_.strict_fields = settings.strict_fields;
  policy_.trust_chat_template = settings.trust_request_chat_template;
  policy_.logprobs_max = settings.engine.max_logprobs;
  policy_.timeout_s = settings.request_timeout_s;
  policy_.receipts = settings.receipts;
  policy_.choices_max = settings.engine.max_num_seqs + settings.engine.max_num_waiting;
  policy_.prompt_tokens_max = settings.engine.max_waiting_tokens;
  created_ = unix_seconds();
  add_probes();
  add_model_routes();
  add_generating_routes();
  add_page();
  std::size_t paths = 0;
  for (const EndpointSpec& spec : endpoint_specs()) paths += 1 + other_paths(spec).size();
  CHECK(router_.size() == paths, "{} of {} paths have a handler", router_.size(), paths);
}

Service::~Service() = default;

void Service::attach(Backend backend) {
  backend_ = std::move(backend);
  backend_.prompt_bytes_max =
      prompt_bytes_bound(backend_.engine->tokenizer(), backend_.engine->card().context_max);
  metrics_ =
      std::make_unique<Metrics>(backend_.model_names.front(), backend_.engine->card().context_max);
  grammars_ = std::make_unique<grammar::GrammarStore>(backend_.engine->tokenizer(),
                                                      backend_.engine->card().vocab);
  backend_.grammars = grammars_.get();
  generation_ = std::make_unique<GenerationService>(backend_, policy_, *metrics_);
  feed_ = std::make_unique<LiveFeed>(
      *backend_.engine, [this](engine::RequestId id) { return generation_->request_id_of(id); });
  loaded_.store(true, std::memory_order_release);
}

void Service::begin_drain() {
  draining_ = true;
  if (loaded()) feed_->end();
}

void Service::cut_off() {
  if (loaded()) generation_->cut_off();
}

void Service::add_page() {
  on_exchange("GET", "/", [](const ExchangePtr& exchange) {
    exchange->respond(page_answer(exchange->request, ""));
  });
  on_exchange("GET", "/page/{id}", [](const ExchangePtr& exchange) {
    exchange->respond(
        page_answer(exchange->request, path_id(exchange->request.path, "/page/{id}")));
  });
  on_exchange("GET", "/v1/engine/live",
              [this](const ExchangePtr& exchange) { feed_->answer(exchange); });
}

void Service::add_probes() {
  on("GET", "/livez", [](const HttpRequest&) { return plain(200, "ok\n"); });
  on("GET", "/health", [this](const HttpRequest&) { return health(); });
  on("GET", "/readyz", [this](const HttpRequest&) {
    if (draining_) return error_response({kUnavailable, "the server is shutting down"});
    return health();
  });
  on("GET", "/version", [](const HttpRequest&) { return version_answer(); });
  on("GET", "/openapi.json", [](const HttpRequest&) {
    HttpResponse response;
    response.body = dump_json(openapi_document());
    return response;
  });
  on("GET", "/metrics", [this](const HttpRequest&) { return scrape(); });
}

void Service::add_model_routes() {
  on("GET", "/v1/models", [this](const HttpRequest&) { return models_answer(backend_, created_); });
  on("GET", "/v1/models/{id}", [this](const HttpRequest& request) {
    return model_answer(backend_, created_, path_id(request.path, "/v1/models/{id}"));
  });
  on("GET", "/props", [this](const HttpRequest&) { return props_answer(backend_, settings_); });
  on("GET", "/slots", [this](const HttpRequest&) { return slots_answer(backend_); });
  on("GET", "/load", [this](const HttpRequest&) { return load_answer(backend_); });
  on("GET", "/v1/cache/stats", [this](const HttpRequest&) { return cache_stats_answer(backend_); });
  on("POST", "/v1/cache/reset",
     [this](const HttpRequest&) { return cache_reset_answer(backend_); });
  on("GET", "/tokenizer_info",
     [this](const HttpRequest&) { return tokenizer_info_answer(backend_); });
  on("POST", "/tokenize", [this](const HttpRequest& request) {
    return tokenize_answer(backend_, policy_, request.body);
  });
  on("POST", "/detokenize", [this](const HttpRequest& request) {
    return detokenize_answer(backend_, policy_, request.body);
  });
  on("POST", "/apply-template", [this](const HttpRequest& request) {
    return apply_template_answer(backend_, policy_, request.body);
  });
}

void Service::add_generating_routes() {
  for (const EndpointSpec& spec : endpoint_specs()) {
    if ((spec.traits & kGeneration) == 0) continue;
    on_exchange(spec.method, spec.path, [this, body = spec.body](const ExchangePtr& exchange) {
      generation_->run(body, exchange);
    });
  }
  for (const EndpointSpec& spec : endpoint_specs()) {
    if ((spec.body & (kEmbeddings | kRerank | kScore | kClassify)) == 0) continue;
    on_exchange(spec.method, spec.path, [this, body = spec.body](const ExchangePtr& exchange) {
      generation_->run_pooling(body, exchange);
    });
  }
  on("GET", "/v1/responses/{id}", [this](const HttpRequest& request) {
    return stored_response_answer(generation_->responses(),
                                  path_id(request.path, "/v1/responses/{id}"));
  });
  on("DELETE", "/v1/responses/{id}", [this](const HttpRequest& request) {
    return delete_response_answer(generation_->responses(),
                                  path_id(request.path, "/v1/responses/{id}"));
  });
  on("POST", "/v1/responses/{id}/cancel", [this](const HttpRequest& request) {
    const std::string id = path_id(request.path, "/v1/responses/{id}/cancel");
    return cancelled_response_answer(generation_->responses(), id,
                                     generation_->cancel_response(id));
  });
  on("POST", "/v1/responses/input_tokens", [this](const HttpRequest& request) {
    return response_tokens_answer(backend_, policy_, generation_->responses(), request.body);
  });
  on("POST", "/v1/messages/count_tokens", [this](const HttpRequest& request) {
    return count_tokens_answer(backend_, policy_, request.body);
  });
  on("GET", "/v1/requests", [this](const HttpRequest&) { return generation_->list(); });
  on("DELETE", "/v1/requests/{id}", [this](const HttpRequest& request) {
    const std::string id = path_id(request.path, "/v1/requests/{id}");
    return cancelled_answer(id, generation_->cancel(id));
  });
}

void Service::on(std::string_view method, std::string_view path, Answer answer) {
  on_exchange(method, path,
              [answer = std::move(answer), quick = is_quick(path)](const ExchangePtr& exchange) {
                HttpResponse response = answer(exchange->request);
                if (quick) {
                  exchange->respond(std::move(response));
                  return;
                }
                exchange->post([exchange, response = std::move(response)]() mutable {
                  exchange->respond(std::move(response));
                });
              });
}

void Service::on_exchange(std::string_view method, std::string_view path,
                          std::function<void(const ExchangePtr&)> handle) {
  const auto specs = endpoint_specs();
  const auto spec = std::find_if(specs.begin(), specs.end(), [&](const EndpointSpec& known) {
    return known.method == method && known.path == path;
  });
  CHECK(spec != specs.end(), "{} {} is not in the table of endpoints", method, path);
  Route route;
  route.path = path;
  route.method = method;
  route.body = spec->body == kNoBody ? BodyKind::kNone : BodyKind::kJson;
  route.on_worker = !is_quick(path);
  route.needs_model = (spec->traits & kProbe) == 0;
  route.is_public = (spec->traits & kPublic) != 0;
  route.generates = (spec->traits & kGeneration) != 0;
  route.handle = std::move(handle);
  for (const std::string_view other : other_paths(*spec)) {
    Route alias = route;
    alias.path = other;
    router_.add(std::move(alias));
  }
  router_.add(std::move(route));
}

std::unique_ptr<HttpResponse> Service::refuse_early(const HttpRequest& request) {
  if (auto preflight = answer_preflight(access_, request)) return preflight;
  std::unique_ptr<HttpResponse> refusal =
      check_access(access_, request, router_.is_public(request.path));
  if (refusal != nullptr) return refusal;
  const Route* route = router_.find(request, refusal);
  if (route == nullptr) return refusal;
  const auto unavailable = [](const char* why) {
    return std::make_unique<HttpResponse>(error_response({kUnavailable, why}));
  };
  if (route->needs_model && !loaded()) return unavailable("the model is being loaded");
  if (draining_ && route->generates) return unavailable("the server is shutting down");
  return nullptr;
}

void Service::handle(ExchangePtr exchange) {
  if (auto refusal = refuse_early(exchange->request)) {
    exchange->respond(std::move(*refusal));
    return;
  }
  std::unique_ptr<HttpResponse> refusal;
  dispatch(*router_.find(exchange->request, refusal), exchange);
}

void Service::dispatch(const Route& route, const ExchangePtr& exchange) {
  if (!route.on_worker) {
    route.handle(exchange);
    return;
  }
  http_->run_on_worker([&route, exchange] { route.handle(exchange); });
}

HttpResponse Service::describe(const HttpFailure& failure) {
  return error_response({ErrorKind{failure.status, "invalid_request_error", ""}, failure.message});
}

void Service::decorate(const HttpRequest& request, HttpResponse& response) {
  use_anthropic_shape(request, response);
  add_cors_fields(access_, request, response);
}

void Service::observe(const HttpRequest& request, int status, double seconds) {
  const std::string_view method = request.method == "GET" || request.method == "POST" ||
                                          request.method == "HEAD" || request.method == "OPTIONS"
                                      ? std::string_view(request.method)
                                      : "other";
  log(LogLevel::kDebug, "{} {} {} {:.3f} s", method, router_.pattern(request.path), status,
      seconds);
  if (loaded()) metrics_->observe_http(router_.pattern(request.path), method, status, seconds);
}

HttpResponse Service::health() {
  if (!loaded()) return error_response({kUnavailable, "the model is being loaded"});
  if (!backend_.engine->healthy(from_seconds(settings_.watchdog_s))) {
    return error_response({kUnavailable, "the engine has not finished a step in time"});
  }
  HttpResponse response;
  response.body = "{\"status\":\"ok\"}";
  return response;
}

HttpResponse Service::scrape() {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  if (loaded()) response.body = metrics_->scrape(backend_.engine);
  return response;
}

}  // namespace quire::server
