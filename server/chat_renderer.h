// The checkpoint's chat templates as the endpoints use them.
#pragma once

#include <string>

#include "server/backend.h"

namespace quire::server {

// Loads the folder's templates; an empty renderer when it has none.
Result<ChatRenderer> load_chat_renderer(const std::string& folder);

}  // namespace quire::server
