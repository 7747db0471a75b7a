// llama.cpp's own endpoints: /completion, and /infill for the text between a prefix and a suffix.
#pragma once

#include <string_view>

#include "server/openai_request.h"

namespace quire::server {

// endpoint: kNative or kInfill.
tl::expected<GenerationPlan, ApiError> plan_llama(Endpoint endpoint, std::string_view body,
                                                  const Backend& backend,
                                                  const RequestPolicy& policy);

}  // namespace quire::server
