// From the body of any generating endpoint to its plan.
#pragma once

#include <memory>
#include <string_view>

#include "server/openai_request.h"
#include "server/response_store.h"

namespace quire::server {

// endpoint: one of kGenerating. On a worker thread: renders, tokenizes and compiles.
tl::expected<GenerationPlan, ApiError> plan_dialect(
    Endpoint endpoint, std::string_view body, const Backend& backend, const RequestPolicy& policy,
    const std::shared_ptr<ResponseStore>& responses);

}  // namespace quire::server
