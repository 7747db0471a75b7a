// From the bytes of a request to a JSON object whose fields are known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/backend.h"
#include "server/request_fields.h"

namespace quire::server {

struct CheckedBody {
  Json json;
  std::vector<std::string> warnings;  // of unknown fields
};

// An OpenAI body: bounded JSON, an object.
tl::expected<Json, ApiError> parse_body(std::string_view body);

// The same, each of its members checked against the table of fields.
tl::expected<CheckedBody, ApiError> open_body(std::string_view body, Endpoint endpoint,
                                              const RequestPolicy& policy);

// Ok when `model` is absent or one of ours.
tl::expected<void, ApiError> check_model(const Fields& fields, const Backend& backend);

}  // namespace quire::server
