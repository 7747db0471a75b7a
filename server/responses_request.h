// OpenAI's /v1/responses as a chat: items become messages, an earlier response its beginning.
#pragma once

#include <memory>
#include <string_view>

#include "server/openai_request.h"
#include "server/response_store.h"

namespace quire::server {

// Validates, renders and tokenizes a body of /v1/responses. The writer that the plan makes puts
// what it answers into `store`, unless the request asks it not to.
tl::expected<GenerationPlan, ApiError> plan_responses(std::string_view body, const Backend& backend,
                                                      const RequestPolicy& policy,
                                                      const std::shared_ptr<ResponseStore>& store);

// How many tokens the prompt of a body has.
HttpResponse response_tokens_answer(const Backend& backend, const RequestPolicy& policy,
                                    ResponseStore& store, std::string_view body);

// What is said of a response that was just cancelled, or could not be.
HttpResponse cancelled_response_answer(ResponseStore& store, const std::string& id, bool cancelled);

// GET and DELETE of a stored response.
HttpResponse stored_response_answer(ResponseStore& store, const std::string& id);
HttpResponse delete_response_answer(ResponseStore& store, const std::string& id);

}  // namespace quire::server
