// The sampling fields that llama.cpp's server has beyond OpenAI's and vLLM's.
#pragma once

#include "engine/sampling.h"
#include "server/backend.h"
#include "server/request_fields.h"

namespace quire::server {

// Fills what the request names; the table of fields has checked plain numbers.
tl::expected<void, ApiError> read_llama_sampling(const Fields& fields, const Backend& backend,
                                                 engine::SamplingParams& out);

// vLLM's bad_words and SGLang's stop_regex.
tl::expected<void, ApiError> read_bad_words(const Fields& fields, const Backend& backend,
                                            engine::SamplingParams& out);
tl::expected<void, ApiError> read_stop_regex(const Fields& fields, engine::SamplingParams& out);

}  // namespace quire::server
