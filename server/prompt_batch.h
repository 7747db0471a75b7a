// Runs a list of prompts for one HTTP request and answers when the last of them has ended.
#pragma once

#include <functional>
#include <vector>

#include "engine/engine.h"
#include "server/api_error.h"
#include "server/http_exchange.h"

namespace quire::server {

struct PromptBatch {
  std::vector<engine::GenerateRequest> requests;  // at least one, n = 1 each
  // The answer out of every request's last output, in order. On the I/O thread.
  std::function<HttpResponse(const std::vector<engine::Output>&)> answer;
  // What a request that the engine refuses is told.
  std::function<ApiError(const Error&, const engine::GenerateRequest&)> refuse;
};

// On a worker thread. A hang-up cancels what is left.
void run_prompt_batch(engine::Engine& engine, const ExchangePtr& exchange, PromptBatch batch);

}  // namespace quire::server
