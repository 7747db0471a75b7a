// llama.cpp's /infill: the text between a prefix and a suffix, answered in its native shape.
#pragma once

#include <string_view>

#include "server/openai_request.h"

namespace quire::server {

tl::expected<GenerationPlan, ApiError> plan_infill(std::string_view body, const Backend& backend,
                                                   const RequestPolicy& policy);

}  // namespace quire::server
