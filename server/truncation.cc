// The places where a conversation may begin are searched by halves: fewer messages, fewer tokens.
#include "server/truncation.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "server/chat_prompt.h"

namespace quire::server {
namespace {

bool has_role(const Json& message, std::string_view role) {
  const Json* member = find_member(message, "role");
  return member != nullptr && *member == role;
}

// The body with the messages from `begin` on, behind the system message.
Json cut(const Json& chat, std::size_t begin) {
  Json out = chat;
  Json& messages = out["messages"];
  const std::size_t first = has_role(messages.front(), "system") ? 1 : 0;
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(first),
                 messages.begin() + static_cast<std::ptrdiff_t>(begin));
  return out;
}

}  // namespace

std::size_t drop_oldest_messages(Json& chat, const Backend& backend, const RequestPolicy& policy) {
  const Json& messages = chat["messages"];
  const std::int64_t context_max = backend.engine->card().context_max;
  const std::int64_t reserved =
      Fields(chat).integer("max_tokens", std::max<std::int64_t>(1, context_max / 8));
  if (reserved >= context_max) return 0;
  const text::Tokenizer& tokenizer = backend.engine->tokenizer();
  const auto fits = [&](const Json& body, bool otherwise) {
    const auto text = render_chat_prompt(Fields(body), backend, policy);
    if (!text) return otherwise;
    if (backend.prompt_bytes_max > 0 && text->size() > backend.prompt_bytes_max) return false;
    const auto ids = tokenizer.encode(*text, {.add_special_tokens = false});
    return ids ? static_cast<std::int64_t>(ids->size()) + reserved <= context_max : otherwise;
  };
  if (messages.empty() || fits(chat, true)) return 0;
  const std::size_t first = has_role(messages.front(), "system") ? 1 : 0;
  for (const std::string_view role : {"user", "assistant"}) {
    std::vector<std::size_t> begins;
    for (std::size_t i = first + 1; i < messages.size(); ++i) {
      if (has_role(messages[i], role)) begins.push_back(i);
    }
    const auto begin = std::partition_point(
        begins.begin(), begins.end(), [&](std::size_t at) { return !fits(cut(chat, at), false); });
    if (begin == begins.end()) continue;
    chat = cut(chat, *begin);
    return *begin - first;
  }
  return 0;
}

}  // namespace quire::server
