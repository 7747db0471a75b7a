// /v1/embeddings: texts or token ids to vectors, for models that pool.
#pragma once

#include <string_view>

#include "server/backend.h"
#include "server/prompt_batch.h"

namespace quire::server {

// Validates and tokenizes; `refuse` of the batch is left to the caller.
tl::expected<PromptBatch, ApiError> plan_embeddings(std::string_view body, const Backend& backend,
                                                    const RequestPolicy& policy);

// The first `dimensions` (0: all) of a vector, scaled to length 1 where asked.
std::vector<float> finish_embedding(std::vector<float> vector, std::int64_t dimensions,
                                    bool normalize);

// A prompt whose vector is wanted.
engine::GenerateRequest pooling_request(std::vector<std::int32_t> ids, engine::Pooling pooling,
                                        double timeout_s);

// kContextLength when the ids do not fit.
tl::expected<void, ApiError> check_fits(std::size_t tokens, const Backend& backend,
                                        const std::string& param);

}  // namespace quire::server
