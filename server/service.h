// The API as a whole: routes, readiness, draining. Joins the HTTP layer and the engine.
#pragma once

#include <atomic>
#include <memory>

#include "server/backend.h"
#include "server/generation.h"
#include "server/http_exchange.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/settings.h"

namespace quire::server {

// Order of life: construct, bind_http, (listen), attach, begin_drain, cut_off, (stop).
class Service final : public RequestHandler {
 public:
  explicit Service(const Settings& settings);
  ~Service() override;

  // Where slow handlers run.
  void bind_http(HttpServer& http) { http_ = &http; }
  // The model is loaded: from now on every endpoint answers. backend.engine must outlive the
  // HTTP server's stop().
  void attach(Backend backend);
  // New generating requests are answered 503, /readyz too.
  void begin_drain() { draining_ = true; }
  // Ends requests in flight with an error.
  void cut_off();

  std::unique_ptr<HttpResponse> refuse_early(const HttpRequest& request) override;
  void handle(ExchangePtr exchange) override;
  HttpResponse describe(const HttpFailure& failure) override;
  void observe(const HttpRequest& request, int status, double seconds) override;

 private:
  using Answer = HttpResponse (Service::*)(const HttpRequest&);
  void add_routes();
  void add(std::string path, std::string method, Answer answer);
  void add_generating(std::string path, Endpoint endpoint);
  void dispatch(const Route& route, const ExchangePtr& exchange);

  HttpResponse live(const HttpRequest& request);
  HttpResponse health(const HttpRequest& request);
  HttpResponse ready(const HttpRequest& request);
  HttpResponse version(const HttpRequest& request);
  HttpResponse scrape(const HttpRequest& request);
  HttpResponse models(const HttpRequest& request);
  HttpResponse model(const HttpRequest& request);
  HttpResponse props(const HttpRequest& request);
  HttpResponse slots(const HttpRequest& request);
  HttpResponse cache_stats(const HttpRequest& request);
  HttpResponse cache_reset(const HttpRequest& request);
  HttpResponse tokenize(const HttpRequest& request);
  HttpResponse detokenize(const HttpRequest& request);
  HttpResponse apply_template(const HttpRequest& request);

  bool loaded() const { return loaded_.load(std::memory_order_acquire); }

  const Settings settings_;
  RequestPolicy policy_;
  Router router_;
  HttpServer* http_ = nullptr;
  Backend backend_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<grammar::GrammarStore> grammars_;
  std::unique_ptr<GenerationService> generation_;
  std::int64_t created_ = 0;
  std::atomic<bool> loaded_{false};
  std::atomic<bool> draining_{false};
};

}  // namespace quire::server
