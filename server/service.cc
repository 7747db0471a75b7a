// Handlers that touch the model run on worker threads; probes answer on the I/O thread.
#include "server/service.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "engine/grammar/matcher.h"
#include "server/info_endpoints.h"
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

bool generates(const Route& route) { return route.path.ends_with("/completions"); }

}  // namespace

Service::Service(const Settings& settings) : settings_(settings) {
  policy_.strict_fields = settings.strict_fields;
  policy_.logprobs_max = settings.engine.max_logprobs;
  policy_.timeout_s = settings.request_timeout_s;
  created_ = std::chrono::duration_cast<std::chrono::seconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count();
  add_routes();
}

Service::~Service() = default;

void Service::attach(Backend backend) {
  backend_ = std::move(backend);
  metrics_ =
      std::make_unique<Metrics>(backend_.model_names.front(), backend_.engine->card().context_max);
  grammars_ = std::make_unique<grammar::GrammarStore>(backend_.engine->tokenizer(),
                                                      backend_.engine->card().vocab);
  backend_.grammars = grammars_.get();
  generation_ = std::make_unique<GenerationService>(backend_, policy_, *metrics_);
  loaded_.store(true, std::memory_order_release);
}

void Service::cut_off() {
  if (loaded()) generation_->cut_off();
}

void Service::add_routes() {
  add_generating("/v1/chat/completions", kChat);
  add_generating("/v1/completions", kCompletions);
  add("/livez", "GET", &Service::live);
  add("/health", "GET", &Service::health);
  add("/readyz", "GET", &Service::ready);
  add("/version", "GET", &Service::version);
  add("/metrics", "GET", &Service::scrape);
  add("/v1/models", "GET", &Service::models);
  add("/v1/models/{id}", "GET", &Service::model);
  add("/props", "GET", &Service::props);
  add("/slots", "GET", &Service::slots);
  add("/v1/cache/stats", "GET", &Service::cache_stats);
  add("/v1/cache/reset", "POST", &Service::cache_reset);
  add("/tokenize", "POST", &Service::tokenize);
  add("/detokenize", "POST", &Service::detokenize);
  add("/apply-template", "POST", &Service::apply_template);
}

void Service::add(std::string path, std::string method, Answer answer) {
  Route route;
  const bool probe = path == "/livez" || path == "/health" || path == "/readyz" ||
                     path == "/version" || path == "/metrics";
  route.needs_model = !probe;
  route.on_worker = path != "/livez" && path != "/health" && path != "/readyz";
  const bool takes_json = method == "POST" && !path.starts_with("/v1/cache/");
  route.body = takes_json ? BodyKind::kJson : BodyKind::kNone;
  route.path = std::move(path);
  route.method = std::move(method);
  route.handle = [this, answer, worker = route.on_worker](const ExchangePtr& exchange) {
    HttpResponse response = (this->*answer)(exchange->request);
    if (!worker) {
      exchange->respond(std::move(response));
      return;
    }
    exchange->post([exchange, response = std::move(response)]() mutable {
      exchange->respond(std::move(response));
    });
  };
  router_.add(std::move(route));
}

void Service::add_generating(std::string path, Endpoint endpoint) {
  Route route;
  route.path = std::move(path);
  route.method = "POST";
  route.body = BodyKind::kJson;
  route.on_worker = true;
  route.handle = [this, endpoint](const ExchangePtr& exchange) {
    generation_->run(endpoint, exchange);
  };
  router_.add(std::move(route));
}

std::unique_ptr<HttpResponse> Service::refuse_early(const HttpRequest& request) {
  std::unique_ptr<HttpResponse> refusal;
  const Route* route = router_.find(request, refusal);
  if (route == nullptr) return refusal;
  const auto unavailable = [](const char* why) {
    return std::make_unique<HttpResponse>(error_response({kUnavailable, why}));
  };
  if (route->needs_model && !loaded()) return unavailable("the model is being loaded");
  if (draining_ && generates(*route)) return unavailable("the server is shutting down");
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

void Service::observe(const HttpRequest& request, int status, double seconds) {
  const std::string_view method = request.method == "GET" || request.method == "POST" ||
                                          request.method == "HEAD" || request.method == "OPTIONS"
                                      ? std::string_view(request.method)
                                      : "other";
  log(LogLevel::kDebug, "{} {} {} {:.3f} s", method, router_.pattern(request.path), status,
      seconds);
  if (loaded()) metrics_->observe_http(router_.pattern(request.path), method, status, seconds);
}

HttpResponse Service::live(const HttpRequest&) { return plain(200, "ok\n"); }

HttpResponse Service::health(const HttpRequest&) {
  if (!loaded()) return error_response({kUnavailable, "the model is being loaded"});
  if (!backend_.engine->healthy(from_seconds(settings_.watchdog_s))) {
    return error_response({kUnavailable, "the engine has not finished a step in time"});
  }
  HttpResponse response;
  response.body = "{\"status\":\"ok\"}";
  return response;
}

HttpResponse Service::ready(const HttpRequest& request) {
  if (draining_) return error_response({kUnavailable, "the server is shutting down"});
  return health(request);
}

HttpResponse Service::version(const HttpRequest&) { return version_answer(); }

HttpResponse Service::scrape(const HttpRequest&) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  if (loaded()) response.body = metrics_->scrape(backend_.engine);
  return response;
}

HttpResponse Service::models(const HttpRequest&) { return models_answer(backend_, created_); }

HttpResponse Service::model(const HttpRequest& request) {
  return model_answer(backend_, created_, path_id(request.path, "/v1/models/{id}"));
}

HttpResponse Service::props(const HttpRequest&) { return props_answer(backend_, settings_); }
HttpResponse Service::slots(const HttpRequest&) { return slots_answer(backend_); }
HttpResponse Service::cache_stats(const HttpRequest&) { return cache_stats_answer(backend_); }
HttpResponse Service::cache_reset(const HttpRequest&) { return cache_reset_answer(backend_); }

HttpResponse Service::tokenize(const HttpRequest& request) {
  return tokenize_answer(backend_, policy_, request.body);
}
HttpResponse Service::detokenize(const HttpRequest& request) {
  return detokenize_answer(backend_, policy_, request.body);
}
HttpResponse Service::apply_template(const HttpRequest& request) {
  return apply_template_answer(backend_, policy_, request.body);
}

}  // namespace quire::server
