// OpenAI's functions and function_call, the forerunners of tools, which old clients still send.
#pragma once

#include "server/api_error.h"
#include "server/translate.h"

namespace quire::server {

// Says it all again in terms of tools: the request's functions and choice, and in its messages the
// calls and their results. Returns whether functions were offered: then the answer has the old
// shape too. Other bodies stay as they are.
tl::expected<bool, ApiError> lift_legacy_functions(Json& body);

// Names the fields as the client knows them.
ApiError rename_legacy(ApiError error);

}  // namespace quire::server
