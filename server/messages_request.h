// Anthropic's /v1/messages as a chat: blocks become messages, tools become functions.
#pragma once

#include <string_view>

#include "server/openai_request.h"

namespace quire::server {

// Validates, renders and tokenizes a body of /v1/messages.
tl::expected<GenerationPlan, ApiError> plan_messages(std::string_view body, const Backend& backend,
                                                     const RequestPolicy& policy);

// The answer of /v1/messages/count_tokens.
HttpResponse count_tokens_answer(const Backend& backend, const RequestPolicy& policy,
                                 std::string_view body);

}  // namespace quire::server
