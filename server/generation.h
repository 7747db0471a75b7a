// Runs generating requests: plan on a worker, submit, then stream or collect on the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "server/backend.h"
#include "server/finish_rate.h"
#include "server/http_exchange.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/request_fields.h"
#include "server/response_store.h"

namespace quire::server {

class GenerationTask;

// Thread-safe.
class GenerationService {
 public:
  GenerationService(const Backend& backend, const RequestPolicy& policy, Metrics& metrics);
  ~GenerationService();

  // On a worker thread: validates, tokenizes and submits the exchange's request, or answers why
  // not. endpoint: one of kGenerating.
  void run(Endpoint endpoint, const ExchangePtr& exchange);

  // The requests in flight, and the end of those with that id: how many there were.
  HttpResponse list() const;
  std::size_t cancel(const std::string& request_id);
  // Ends the answer of /v1/responses that has this id; false when it is not being made.
  bool cancel_response(std::string_view id);

  // Embeddings and rankings: on a worker thread, answers when every prompt has ended.
  void run_pooling(Endpoint endpoint, const ExchangePtr& exchange) const;

  ResponseStore& responses() { return *responses_; }

  // Ends every request in flight with an error that says so, and refuses those that come later.
  void cut_off();

  // The X-Request-Id of a request in flight, empty for others.
  std::string request_id_of(engine::RequestId id) const;

 private:
  friend class GenerationTask;
  // False after cut_off().
  bool remember(const std::shared_ptr<GenerationTask>& task);
  std::size_t cancel_where(const std::function<bool(const GenerationTask&)>& is_it,
                           const std::string& why);
  void forget(const GenerationTask* task);
  // Does nothing for a task that has been forgotten already.
  void own(const GenerationTask* task, engine::RequestId id);
  // The engine's refusal of a request (null: of an embedding) with when to try again.
  ApiError refusal(const Error& error, const Excess& wanted, const GenerationTask* asking) const;

  const Backend& backend_;
  const RequestPolicy policy_;
  Metrics& metrics_;
  FinishRate finish_rate_;
  std::shared_ptr<ResponseStore> responses_ = std::make_shared<ResponseStore>();
  mutable std::mutex mutex_;
  std::unordered_set<std::shared_ptr<GenerationTask>> tasks_;
  std::unordered_map<engine::RequestId, const GenerationTask*> owners_;  // of tasks_ alone
  bool cut_off_ = false;
};

}  // namespace quire::server
