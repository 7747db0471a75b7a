// A result belongs to the last call before it, since the old form has no ids.
#include "server/legacy_functions.h"

#include <array>
#include <string>
#include <utility>

namespace quire::server {
namespace {

using Expected = tl::expected<void, ApiError>;

constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNames{
    {{"tools", "functions"}, {"tool_choice", "function_call"}}};

bool is_given(const Json& body, const char* name) {
  const Json* member = find_member(body, name);
  return member != nullptr && !member->is_null();
}

Expected lift_functions(Json& body) {
  if (is_given(body, "tools") || is_given(body, "tool_choice")) {
    return api_fail(kBadRequest, "functions", "functions and tools exclude each other");
  }
  Json tools = Json::array();
  for (const Json& function : body["functions"]) {
    const auto good =
        check_function(function, fmt::format("functions[{}]", tools.size()), "parameters");
    if (!good) return good;
    tools.push_back({{"type", "function"}, {"function", function}});
  }
  body["tools"] = std::move(tools);
  body["parallel_tool_calls"] = false;
  body.erase("functions");
  return {};
}

Expected lift_choice(Json& body) {
  if (is_given(body, "tool_choice")) {
    return api_fail(kBadRequest, "function_call",
                    "function_call and tool_choice exclude each other");
  }
  const Json choice = std::exchange(body["function_call"], nullptr);
  body.erase("function_call");
  if (choice == "none" || choice == "auto") {
    if (is_given(body, "tools")) body["tool_choice"] = choice;
    return {};
  }
  const std::string* name = text_member(choice, "name");
  if (name == nullptr) {
    return api_fail(kBadRequest, "function_call",
                    "function_call must be \"none\", \"auto\" or have the name of a function, got "
                    "{}",
                    dump_json(choice).substr(0, 64));
  }
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
  return {};
}

void lift_messages(Json& messages) {
  int calls = 0;
  // Nine letters and digits: Mistral's templates take no others.
  const auto id = [&] { return fmt::format("call{:05}", calls); };
  for (Json& message : messages) {
    if (!message.is_object()) continue;
    const Json* call = find_member(message, "function_call");
    const bool has_calls = is_given(message, "tool_calls");
    if (call != nullptr && call->is_object() && !has_calls) {
      ++calls;
      message["tool_calls"] =
          Json::array({{{"id", id()}, {"type", "function"}, {"function", *call}}});
      message.erase("function_call");
    } else if (const std::string* role = text_member(message, "role");
               role != nullptr && *role == "function") {
      message["role"] = "tool";
      message["tool_call_id"] = id();
    }
  }
}

}  // namespace

tl::expected<bool, ApiError> lift_legacy_functions(Json& body) {
  const Json* functions = find_member(body, "functions");
  const bool offers = functions != nullptr && functions->is_array() && !functions->empty();
  if (offers) {
    if (auto good = lift_functions(body); !good) return tl::unexpected(good.error());
  }
  if (is_given(body, "function_call")) {
    if (auto good = lift_choice(body); !good) return tl::unexpected(good.error());
  }
  if (const auto messages = body.find("messages"); messages != body.end() && messages->is_array()) {
    lift_messages(*messages);
  }
  return offers;
}

ApiError rename_legacy(ApiError error) { return rename_param(std::move(error), kNames); }

}  // namespace quire::server
