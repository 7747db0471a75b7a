// A field is shared when the table has it for both dialects under one name.
#include "server/translate.h"

#include <algorithm>

namespace quire::server {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Whole words only, and none that is quoted: that one is the client's.
void rename_word(std::string& message, std::string_view word, std::string_view by) {
  bool quoted = false;
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (message[i] == '"') quoted = !quoted;
    const std::size_t end = i + word.size();
    const bool found = !quoted && message.compare(i, word.size(), word) == 0 &&
                       (i == 0 || !is_name_char(message[i - 1])) &&
                       (end >= message.size() || !is_name_char(message[end]));
    if (!found) continue;
    message.replace(i, word.size(), by);
    i += by.size() - 1;
  }
}

}  // namespace

const std::string* text_member(const Json& object, std::string_view name) {
  const Json* member = find_member(object, name);
  return member != nullptr && member->is_string() ? member->get_ptr<const std::string*>() : nullptr;
}

void ChatBody::leave_out_tool(std::size_t index, std::string_view type) {
  warnings.push_back(
      fmt::format("tools[{}] of type \"{}\" was left out", index, type.substr(0, 40)));
}

Json copy_shared_fields(const Json& body, Endpoint from, Endpoint to,
                        std::span<const std::string_view> own) {
  Json out = Json::object();
  for (const auto& [name, value] : body.items()) {
    const bool is_own = std::find(own.begin(), own.end(), name) != own.end();
    const FieldSpec* there = find_field(name, to);
    if (is_own || find_field(name, from) == nullptr || there == nullptr) continue;
    // What only the first dialect takes is no business of the second one.
    if (there->state != FieldState::kRefused) out[name] = value;
  }
  return out;
}

ApiError rename_param(ApiError error,
                      std::span<const std::pair<std::string_view, std::string_view>> names) {
  for (const auto& [chat, own] : names) rename_word(error.message, chat, own);
  for (const auto& [chat, own] : names) {
    const bool whole = error.param == chat;
    if (!whole && !error.param.starts_with(fmt::format("{}[", chat)) &&
        !error.param.starts_with(fmt::format("{}.", chat))) {
      continue;
    }
    // Entries are counted anew by the translation: only the list itself can be named.
    error.param = whole ? std::string(own)
                        : std::string(own) + (error.param[chat.size()] == '.'
                                                  ? error.param.substr(chat.size())
                                                  : std::string());
    break;
  }
  return error;
}

}  // namespace quire::server
