// Checks what templates cannot; the shape of each message is the renderer's to check.
#include "server/chat_prompt.h"

#include <algorithm>

namespace quire::server {
namespace {

constexpr std::size_t kMessagesMax = 4096;
constexpr std::size_t kToolsMax = 128;
constexpr std::size_t kTemplateBytesMax = std::size_t{128} << 10;

using Expected = tl::expected<void, ApiError>;

Expected read_lists(const Fields& fields, text::ChatRequest& chat) {
  const Json* messages = fields.get("messages");
  if (messages == nullptr) return api_fail(kBadRequest, "messages", "messages is missing");
  if (messages->empty() || messages->size() > kMessagesMax) {
    return api_fail(kBadRequest, "messages", "messages must have 1 to {} entries, got {}",
                    kMessagesMax, messages->size());
  }
  chat.messages = *messages;
  if (const Json* tools = fields.get("tools"); tools != nullptr && !tools->empty()) {
    if (tools->size() > kToolsMax) {
      return api_fail(kBadRequest, "tools", "tools has {} entries, the limit is {}", tools->size(),
                      kToolsMax);
    }
    const Json* choice = fields.get("tool_choice");
    if (choice == nullptr || *choice != "none") chat.tools = *tools;
  }
  if (const Json* documents = fields.get("documents")) chat.documents = *documents;
  return {};
}

// A template may drop a message whose role it does not know: such a role is an error. Known are
// OpenAI's, and those that stand in the template between quotes.
Expected check_roles(const Json& messages, std::string_view source) {
  static constexpr std::string_view kRoles[] = {"system",    "developer", "user",
                                                "assistant", "tool",      "function"};
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Json* role = find_member(messages[i], "role");
    if (role == nullptr || !role->is_string()) continue;  // the renderer says so
    const auto& name = role->get_ref<const std::string&>();
    const bool common = std::find(std::begin(kRoles), std::end(kRoles), name) != std::end(kRoles);
    if (common || source.find(fmt::format("'{}'", name)) != std::string_view::npos ||
        source.find(fmt::format("\"{}\"", name)) != std::string_view::npos) {
      continue;
    }
    return api_fail(kBadRequest, fmt::format("messages[{}].role", i),
                    "messages[{}].role must be one of {}, or one that the chat template names; got "
                    "\"{}\"",
                    i, fmt::join(kRoles, ", "), name.substr(0, 64));
  }
  return {};
}

// true and false, or Anthropic's and DeepSeek's {"type": "enabled"}.
tl::expected<bool, ApiError> thinking_switch(const Json& thinking) {
  if (thinking.is_boolean()) return thinking.get<bool>();
  const Json* type = find_member(thinking, "type");
  if (type != nullptr && *type == "disabled") return false;
  if (type != nullptr && (*type == "enabled" || *type == "adaptive" || *type == "auto"))
    return true;
  return api_fail(kBadRequest, "thinking",
                  "thinking must be true, false, or have the type enabled, disabled, adaptive or "
                  "auto, got {}",
                  dump_json(thinking).substr(0, 64));
}

// The template's variables: those of the request, then those that its other fields stand for.
Expected read_variables(const Fields& fields, text::ChatRequest& chat) {
  if (const Json* kwargs = fields.get("chat_template_kwargs")) chat.kwargs = *kwargs;
  const auto add_default = [&](const char* name, Json value) {
    if (find_member(chat.kwargs, name) == nullptr) chat.kwargs[name] = std::move(value);
  };
  // DeepSeek's templates call the switch "thinking".
  const auto switch_thinking = [&](const Json& on) {
    add_default("enable_thinking", on);
    add_default("thinking", on);
  };
  if (const Json* thinking = fields.get("enable_thinking")) switch_thinking(*thinking);
  if (const Json* thinking = fields.get("thinking")) {
    const auto on = thinking_switch(*thinking);
    if (!on) return tl::unexpected(on.error());
    switch_thinking(*on);
  }
  if (fields.integer("reasoning_budget", -1) == 0) switch_thinking(false);
  const Json* effort = fields.get("reasoning_effort");
  if (effort == nullptr) return {};
  static constexpr std::string_view kEfforts[] = {"none", "minimal", "low", "medium",
                                                  "high", "xhigh",   "max"};
  const bool known = std::any_of(std::begin(kEfforts), std::end(kEfforts),
                                 [&](std::string_view name) { return *effort == name; });
  if (!known) {
    return api_fail(kBadRequest, "reasoning_effort", "reasoning_effort must be one of {}, got {}",
                    fmt::join(kEfforts, ", "), dump_json(*effort).substr(0, 64));
  }
  add_default("reasoning_effort", *effort);
  switch_thinking(*effort != "none");
  return {};
}

Expected read_own_template(const Fields& fields, const RequestPolicy& policy,
                           text::ChatRequest& chat) {
  if (fields.get("chat_template") == nullptr) return {};
  if (!policy.trust_chat_template) {
    return api_fail(kUnsupportedField, "chat_template",
                    "chat_template: this server takes no templates from requests; see "
                    "--trust-request-chat-template");
  }
  chat.template_source = fields.text("chat_template", "");
  if (chat.template_source.empty() || chat.template_source.size() > kTemplateBytesMax) {
    return api_fail(kBadRequest, "chat_template", "chat_template must have 1 to {} bytes, got {}",
                    kTemplateBytesMax, chat.template_source.size());
  }
  return {};
}

tl::expected<text::ChatRequest, ApiError> read_chat(const Fields& fields,
                                                    const RequestPolicy& policy) {
  text::ChatRequest chat;
  if (auto good = read_lists(fields, chat); !good) return tl::unexpected(good.error());
  if (auto good = read_variables(fields, chat); !good) return tl::unexpected(good.error());
  if (auto good = read_own_template(fields, policy, chat); !good) {
    return tl::unexpected(good.error());
  }
  chat.continue_final_message = continues_final_message(fields);
  chat.add_generation_prompt = fields.flag("add_generation_prompt", !chat.continue_final_message);
  if (chat.add_generation_prompt && chat.continue_final_message) {
    return api_fail(kBadRequest, "continue_final_message",
                    "continue_final_message and add_generation_prompt exclude each other");
  }
  return chat;
}

}  // namespace

bool continues_final_message(const Fields& fields) {
  const Json* messages = fields.get("messages");
  const bool told = fields.get("continue_final_message") != nullptr ||
                    fields.get("add_generation_prompt") != nullptr;
  if (told || messages == nullptr || messages->empty()) {
    return fields.flag("continue_final_message", false);
  }
  const Json& last = messages->back();
  const Json* role = find_member(last, "role");
  const Json* content = find_member(last, "content");
  const Json* calls = find_member(last, "tool_calls");
  return role != nullptr && *role == "assistant" && content != nullptr && content->is_string() &&
         !content->get_ref<const std::string&>().empty() && (calls == nullptr || calls->empty());
}

tl::expected<std::string, ApiError> render_chat_prompt(const Fields& fields, const Backend& backend,
                                                       const RequestPolicy& policy) {
  auto chat = read_chat(fields, policy);
  if (!chat) return tl::unexpected(chat.error());
  const bool own = !chat->template_source.empty();
  const ChatRenderer& render = own ? backend.render_own : backend.render_chat;
  if (!render) {
    return api_fail(kUnsupportedEndpoint, "messages", "the model has no chat template");
  }
  const std::string& source = own ? chat->template_source : backend.template_source;
  if (auto good = check_roles(chat->messages, source); !good) return tl::unexpected(good.error());
  auto text = render(*chat);
  if (!text && chat->continue_final_message && fields.get("continue_final_message") == nullptr) {
    // A template that does not show the message as it is cannot go on with it.
    chat->continue_final_message = false;
    chat->add_generation_prompt = true;
    text = render(*chat);
  }
  if (text) return std::move(*text);
  ApiError error = api_error(text.error());
  if (own && error.param.empty()) error.param = "chat_template";
  return tl::unexpected(std::move(error));
}

tl::expected<std::int64_t, ApiError> count_chat_tokens(const Json& chat, const Backend& backend,
                                                       const RequestPolicy& policy) {
  const auto text = render_chat_prompt(Fields(chat), backend, policy);
  if (!text) return tl::unexpected(text.error());
  const auto ids = backend.engine->tokenizer().encode(*text, {.add_special_tokens = false});
  if (!ids) return tl::unexpected(api_error(ids.error()));
  return static_cast<std::int64_t>(ids->size());
}

text::AnswerFormat chat_answer_format(const Fields& fields, const Backend& backend) {
  const Json* own = fields.get("chat_template");
  if (own == nullptr || !backend.detect_format) return backend.answer_format;
  return backend.detect_format(own->get_ref<const std::string&>());
}

std::string echoed_message(const Fields& fields) {
  const Json* messages = fields.get("messages");
  if (messages == nullptr || messages->empty()) return {};
  const Json& last = messages->back();
  const Json* role = find_member(last, "role");
  const Json* content = find_member(last, "content");
  // Without a generation prompt the answer goes on in the last message's role.
  const bool adds = fields.flag("add_generation_prompt",  //
                                !continues_final_message(fields));
  if (content == nullptr || role == nullptr || (adds && *role != "assistant")) return {};
  if (content->is_string()) return content->get<std::string>();
  std::string out;
  if (!content->is_array()) return out;
  for (const Json& part : *content) {
    const Json* text = find_member(part, "text");
    if (text != nullptr && text->is_string()) out += text->get_ref<const std::string&>();
  }
  return out;
}

}  // namespace quire::server
