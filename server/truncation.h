// Making a conversation fit into the context by leaving out its oldest messages.
#pragma once

#include <cstddef>

#include "server/backend.h"
#include "server/request_fields.h"

namespace quire::server {

// Removes messages of a chat body from behind its system message, as few as leave room for
// max_tokens or, where the body has none, for an eighth of the context. The conversation then
// begins at a user's message, or at the assistant's where the last user's leaves no room; what is
// left is never empty. Returns how many went: none where nothing helps, or where the body has an
// error that the planner will name.
std::size_t drop_oldest_messages(Json& chat, const Backend& backend, const RequestPolicy& policy);

}  // namespace quire::server
