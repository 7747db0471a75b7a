// Runs generating requests: plan on a worker, submit, then stream or collect on the I/O thread.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_set>

#include "server/backend.h"
#include "server/finish_rate.h"
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

 private:
  friend class GenerationTask;
  // False after cut_off().
  bool remember(const std::shared_ptr<GenerationTask>& task);
  void forget(const GenerationTask* task);
  // The engine's refusal with when to try again.
  ApiError refusal(const Error& error, const Excess& wanted) const;

  const Backend& backend_;
  const RequestPolicy policy_;
  Metrics& metrics_;
  FinishRate finish_rate_;
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<GenerationTask>> tasks_;
  bool cut_off_ = false;
};

}  // namespace quire::server
