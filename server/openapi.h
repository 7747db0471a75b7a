// The API described from the tables of endpoints and fields: /openapi.json and docs/api.md.
#pragma once

#include <string>
#include <string_view>

#include "models/load/json.h"

namespace quire::server {

// An OpenAPI 3.1 document.
Json openapi_document();

// The text of docs/api.md.
std::string api_markdown();

// The JSON schema of an endpoint's 200 answer; null for plain text.
Json answer_schema(std::string_view method, std::string_view path);

}  // namespace quire::server
