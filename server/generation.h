// Runs generating requests: plan on a worker, submit, then stream or collect on the I/O thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "server/backend.h"
#include "server/http_exchange.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/request_fields.h"

namespace quire::server {

class GenerationTask;

// Thread-safe.
class GenerationService {
 public:
  GenerationService(const Backend& backend, const RequestPolicy& policy, Metrics& metrics);
  ~GenerationService();

  // On a worker thread: validates, tokenizes and submits the exchange's request, or answers why
  // not. endpoint: kChat or kCompletions.
  void run(Endpoint endpoint, const ExchangePtr& exchange);

  // Ends every request in flight with an error that says so, and refuses those that come later.
  void cut_off();

  // The X-Request-Id of a request in flight, empty for others.
  std::string request_id_of(engine::RequestId id) const;

 private:
  friend class GenerationTask;
  // False after cut_off().
  bool remember(const std::shared_ptr<GenerationTask>& task);
  void forget(const GenerationTask* task);
  // Does nothing for a task that has been forgotten already.
  void own(const GenerationTask* task, engine::RequestId id);

  const Backend& backend_;
  const RequestPolicy policy_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::unordered_set<std::shared_ptr<GenerationTask>> tasks_;
  std::unordered_map<engine::RequestId, const GenerationTask*> owners_;  // of tasks_ alone
  bool cut_off_ = false;
};

}  // namespace quire::server
