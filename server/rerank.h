// /v1/rerank, /v1/score and /classify: how well texts belong together, by a judging model's "yes"
// and "no" or by the angle between embeddings.
#pragma once

#include <string_view>

#include "server/backend.h"
#include "server/prompt_batch.h"
#include "server/request_fields.h"

namespace quire::server {

// endpoint: kRerank, kScore or kClassify. `refuse` of the batch is left to the caller.
tl::expected<PromptBatch, ApiError> plan_ranking(Endpoint endpoint, std::string_view body,
                                                 const Backend& backend,
                                                 const RequestPolicy& policy);

}  // namespace quire::server
