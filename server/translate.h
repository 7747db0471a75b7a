// From the bodies of other dialects to the chat body that plan_parsed() understands.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai_request.h"

namespace quire::server {

// A body in chat's form, and what was left out of it.
struct ChatBody {
  Json chat = Json::object();
  std::vector<std::string> warnings;

  void leave_out_tool(std::size_t index, std::string_view type);
};

// The member, or null where it is absent or no string.
const std::string* text_member(const Json& object, std::string_view name);

// The members that mean the same in both dialects, but those that the translation reads itself.
Json copy_shared_fields(const Json& body, Endpoint from, Endpoint to,
                        std::span<const std::string_view> own);

// Names chat's fields as the client knows them, in the message too: {"messages", "input"} ...
ApiError rename_param(ApiError error,
                      std::span<const std::pair<std::string_view, std::string_view>> names);

}  // namespace quire::server
