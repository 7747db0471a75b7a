// The sampling fields of a request.
#pragma once

#include "engine/sampling.h"
#include "server/backend.h"
#include "server/request_fields.h"

namespace quire::server {

// Request before generation_config before built-in. max_tokens is left to the caller, who knows the
// prompt; logprobs are read here.
tl::expected<engine::SamplingParams, ApiError> read_sampling(const Fields& fields,
                                                             Endpoint endpoint,
                                                             const Backend& backend,
                                                             const RequestPolicy& policy);

}  // namespace quire::server
