// The API as a whole: routes, readiness, draining. Joins the HTTP layer and the engine.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "server/access.h"
#include "server/backend.h"
#include "server/generation.h"
#include "server/http_exchange.h"
#include "server/http_server.h"
#include "server/live_feed.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/settings.h"

namespace quire::server {

// Order of life: construct, guard, bind_http, (listen), attach, begin_drain, cut_off, (stop).
class Service final : public RequestHandler {
 public:
  explicit Service(const Settings& settings);
  ~Service() override;

  // Who may ask; without it anybody.
  void guard(AccessRules rules) { access_ = std::move(rules); }
  // Where slow handlers run.
  void bind_http(HttpServer& http) { http_ = &http; }
  // The model is loaded: from now on every endpoint answers. backend.engine must outlive the
  // HTTP server's stop().
  void attach(Backend backend);
  // New generating requests are answered 503, /readyz too; those who watch the engine are sent
  // away. Must come before the engine goes.
  void begin_drain();
  // Ends requests in flight with an error.
  void cut_off();

  std::unique_ptr<HttpResponse> refuse_early(const HttpRequest& request) override;
  void handle(ExchangePtr exchange) override;
  HttpResponse describe(const HttpFailure& failure) override;
  void decorate(const HttpRequest& request, HttpResponse& response) override;
  void observe(const HttpRequest& request, int status, double seconds) override;

 private:
  using Answer = std::function<HttpResponse(const HttpRequest&)>;
  void add_probes();
  void add_model_routes();
  void add_generating_routes();
  void add_page();
  // The endpoint of the table; `answer` runs on a worker unless it is a probe.
  void on(std::string_view method, std::string_view path, Answer answer);
  void on_exchange(std::string_view method, std::string_view path,
                   std::function<void(const ExchangePtr&)> handle);
  void dispatch(const Route& route, const ExchangePtr& exchange);

  HttpResponse health();
  HttpResponse scrape();

  bool loaded() const { return loaded_.load(std::memory_order_acquire); }

  const Settings settings_;
  RequestPolicy policy_;
  AccessRules access_;
  Router router_;
  HttpServer* http_ = nullptr;
  Backend backend_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<grammar::GrammarStore> grammars_;
  std::unique_ptr<GenerationService> generation_;
  std::unique_ptr<LiveFeed> feed_;
  std::int64_t created_ = 0;
  std::atomic<bool> loaded_{false};
  std::atomic<bool> draining_{false};
};

}  // namespace quire::server
