// A tool's result is a message of its own in chat, before what else the user says in that turn.
#include "server/messages_request.h"

#include <array>

#include "server/chat_prompt.h"
#include "server/messages_writer.h"
#include "server/request_body.h"
#include "server/translate.h"

namespace quire::server {
namespace {

using Expected = tl::expected<void, ApiError>;
using Text = tl::expected<std::string, ApiError>;

constexpr std::array<std::string_view, 10> kOwn{
    "messages", "system",   "tools",         "tool_choice",   "max_tokens",
    "thinking", "metadata", "output_config", "output_format", "stop_sequences"};

tl::unexpected<ApiError> fail_block(const std::string& where, const Json& block) {
  const std::string* type = text_member(block, "type");
  return api_fail(kBadRequest, where, "{}: blocks of type {} are not supported here", where,
                  type != nullptr ? "\"" + type->substr(0, 40) + "\"" : std::string("(none)"));
}

// Claude Code's first line of accounting changes with every request and would spoil the prefix
// cache; it means nothing to a model.
std::string without_billing_line(const std::string& text) {
  constexpr std::string_view kHeader = "x-anthropic-billing-header:";
  if (!text.starts_with(kHeader)) return text;
  const std::size_t end = text.find('\n');
  return end == std::string::npos ? std::string() : text.substr(end + 1);
}

// A text, or text blocks joined.
Text read_texts(const Json& content, const std::string& where, std::string_view separator) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    return api_fail(kBadRequest, where, "{} must be a string or a list of blocks", where);
  }
  std::string out;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const std::string* type = text_member(content[i], "type");
    const std::string* text = text_member(content[i], "text");
    if (type == nullptr || *type != "text" || text == nullptr) {
      return fail_block(fmt::format("{}[{}]", where, i), content[i]);
    }
    const std::string piece = where == "system" && i == 0 ? without_billing_line(*text) : *text;
    if (!out.empty() && !piece.empty()) out += separator;
    out += piece;
  }
  return out;
}

class Translator {
 public:
  Translator(const Json& body, Endpoint endpoint) : fields_(body), endpoint_(endpoint) {
    out_.chat = copy_shared_fields(body, endpoint, kChat, kOwn);
  }

  tl::expected<ChatBody, ApiError> run() {
    for (const auto step :
         {&Translator::read_system, &Translator::read_messages, &Translator::read_tools,
          &Translator::read_choice, &Translator::read_thinking, &Translator::read_rest}) {
      if (auto good = (this->*step)(); !good) return tl::unexpected(good.error());
    }
    return std::move(out_);
  }

 private:
  Expected read_system();
  void add_system(const std::string& text);
  Expected read_messages();
  Expected read_user_blocks(const Json& blocks, const std::string& where);
  Expected read_assistant_blocks(const Json& blocks, const std::string& where);
  Expected read_tools();
  Expected read_choice();
  Expected read_thinking();
  Expected read_rest();

  Json& messages() { return out_.chat["messages"]; }

  Fields fields_;
  Endpoint endpoint_;
  ChatBody out_;
};

Expected Translator::read_system() {
  messages() = Json::array();
  const Json* system = fields_.get("system");
  if (system == nullptr) return {};
  auto text = read_texts(*system, "system", "\n");
  if (!text) return tl::unexpected(text.error());
  add_system(*text);
  return {};
}

// Templates want one system message, and want it first.
void Translator::add_system(const std::string& text) {
  if (text.empty()) return;
  if (messages().empty() || messages().front()["role"] != "system") {
    // Named: a braced list would be inserted as two elements.
    const Json first = {{"role", "system"}, {"content", text}};
    messages().insert(messages().begin(), first);
  } else {
    Json& content = messages().front()["content"];
    content = content.get<std::string>() + "\n\n" + text;
  }
}

Expected Translator::read_messages() {
  const Json* list = fields_.get("messages");
  if (list == nullptr || list->empty()) {
    return api_fail(kBadRequest, "messages", "messages must have at least one entry");
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& message = (*list)[i];
    const std::string where = fmt::format("messages[{}]", i);
    const std::string* role = text_member(message, "role");
    const Json* content = find_member(message, "content");
    if (role == nullptr || (*role != "user" && *role != "assistant" && *role != "system")) {
      return api_fail(kBadRequest, where + ".role", "{}.role must be user, assistant or system",
                      where);
    }
    if (*role == "system") {
      auto text =
          content == nullptr ? Text(std::string()) : read_texts(*content, where + ".content", "\n");
      if (!text) return tl::unexpected(text.error());
      add_system(*text);
      continue;
    }
    if (content != nullptr && content->is_string()) {
      messages().push_back({{"role", *role}, {"content", *content}});
      continue;
    }
    if (content == nullptr || !content->is_array()) {
      return api_fail(kBadRequest, where + ".content",
                      "{}.content must be a string or a list of blocks", where);
    }
    const auto good = *role == "user" ? read_user_blocks(*content, where + ".content")
                                      : read_assistant_blocks(*content, where + ".content");
    if (!good) return good;
  }
  return {};
}

Expected Translator::read_user_blocks(const Json& blocks, const std::string& where) {
  std::string said;
  bool says = blocks.empty();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const std::string* type = text_member(blocks[i], "type");
    if (type != nullptr && *type == "text" && text_member(blocks[i], "text") != nullptr) {
      if (says && !said.empty()) said += '\n';
      said += *text_member(blocks[i], "text");
      says = true;
    } else if (type != nullptr && *type == "tool_result") {
      const std::string* id = text_member(blocks[i], "tool_use_id");
      if (id == nullptr) return api_fail(kBadRequest, at, "{}.tool_use_id is missing", at);
      const Json* content = find_member(blocks[i], "content");
      auto text = content == nullptr || content->is_null()
                      ? Text(std::string())
                      : read_texts(*content, at + ".content", "\n");
      if (!text) return tl::unexpected(text.error());
      messages().push_back({{"role", "tool"}, {"tool_call_id", *id}, {"content", *text}});
    } else {
      return fail_block(at, blocks[i]);
    }
  }
  if (says) messages().push_back({{"role", "user"}, {"content", said}});
  return {};
}

Expected Translator::read_assistant_blocks(const Json& blocks, const std::string& where) {
  std::string said;
  std::string thought;
  Json calls = Json::array();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const Json& block = blocks[i];
    const std::string* type = text_member(block, "type");
    const std::string* name = text_member(block, "name");
    if (type != nullptr && *type == "text" && text_member(block, "text") != nullptr) {
      said += *text_member(block, "text");
    } else if (type != nullptr && *type == "thinking") {
      if (const std::string* text = text_member(block, "thinking")) thought += *text;
    } else if (type != nullptr && *type == "redacted_thinking") {
      continue;  // nobody can read it
    } else if (type != nullptr && *type == "tool_use" && name != nullptr) {
      const Json* input = find_member(block, "input");
      const std::string* id = text_member(block, "id");
      const std::string arguments =
          input != nullptr && input->is_object() ? dump_json(*input) : std::string("{}");
      calls.push_back({{"id", id != nullptr ? *id : fmt::format("call_{}", i)},
                       {"type", "function"},
                       {"function", {{"name", *name}, {"arguments", arguments}}}});
    } else {
      return fail_block(at, block);
    }
  }
  Json message = {{"role", "assistant"}, {"content", said}};
  if (!thought.empty()) message["reasoning_content"] = thought;
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  messages().push_back(std::move(message));
  return {};
}

Expected Translator::read_tools() {
  const Json* tools = fields_.get("tools");
  if (tools == nullptr || tools->empty()) return {};
  Json list = Json::array();
  for (std::size_t i = 0; i < tools->size(); ++i) {
    const Json& tool = (*tools)[i];
    const std::string* type = text_member(tool, "type");
    const Json* schema = find_member(tool, "input_schema");
    const auto good = check_function(tool, fmt::format("tools[{}]", i), "input_schema");
    if (!good) return good;
    if (schema == nullptr && type != nullptr && *type != "custom") {
      out_.leave_out_tool(i, *type);
      continue;
    }
    Json function = {{"name", tool["name"]}};
    if (const std::string* text = text_member(tool, "description")) function["description"] = *text;
    function["parameters"] = schema != nullptr ? *schema : Json::object();
    if (const Json* strict = find_member(tool, "strict")) function["strict"] = *strict;
    list.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  if (!list.empty()) out_.chat["tools"] = std::move(list);
  return {};
}

Expected Translator::read_choice() {
  const Json* choice = fields_.get("tool_choice");
  if (choice == nullptr) return {};
  const std::string* type = text_member(*choice, "type");
  const std::string* name = text_member(*choice, "name");
  if (type != nullptr && (*type == "auto" || *type == "none")) {
    out_.chat["tool_choice"] = *type;
  } else if (type != nullptr && *type == "any") {
    out_.chat["tool_choice"] = "required";
  } else if (type != nullptr && *type == "tool" && name != nullptr) {
    out_.chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
  } else {
    return api_fail(kBadRequest, "tool_choice",
                    "tool_choice.type must be auto, any, none, or tool with a name");
  }
  const Json* alone = find_member(*choice, "disable_parallel_tool_use");
  if (alone != nullptr && *alone == true) out_.chat["parallel_tool_calls"] = false;
  return {};
}

Expected Translator::read_thinking() {
  const Json* thinking = fields_.get("thinking");
  if (thinking == nullptr) return {};
  const std::string* type = text_member(*thinking, "type");
  if (type == nullptr || (*type != "enabled" && *type != "disabled" && *type != "adaptive")) {
    return api_fail(kBadRequest, "thinking.type",
                    "thinking.type must be enabled, disabled or adaptive");
  }
  if (out_.chat.contains("enable_thinking")) return {};
  out_.chat["enable_thinking"] = *type != "disabled";
  const std::string* display = text_member(*thinking, "display");
  if (display != nullptr && *display == "omitted") out_.chat["include_reasoning"] = false;
  const Json* budget = find_member(*thinking, "budget_tokens");
  if (*type != "enabled" || budget == nullptr) return {};
  const auto tokens = json_integer(*budget, "thinking.budget_tokens", 1, 1'000'000'000);
  if (!tokens) return tl::unexpected(api_error(tokens.error()));
  out_.chat["thinking_token_budget"] = *tokens;
  return {};
}

// Lengths, stops and structured output.
Expected Translator::read_rest() {
  if (fields_.get("max_tokens") == nullptr && endpoint_ == kMessages) {
    return api_fail(kBadRequest, "max_tokens", "max_tokens is missing");
  }
  if (const Json* tokens = fields_.get("max_tokens")) out_.chat["max_tokens"] = *tokens;
  if (const Json* stops = fields_.get("stop_sequences")) out_.chat["stop"] = *stops;
  const Json* format = fields_.get("output_format");
  if (const Json* config = fields_.get("output_config")) {
    if (format == nullptr) format = find_member(*config, "format");
    const Json* effort = find_member(*config, "effort");
    if (effort != nullptr && !effort->is_null()) out_.chat["reasoning_effort"] = *effort;
  }
  if (format == nullptr || format->is_null()) return {};
  const Json* schema = find_member(*format, "schema");
  const std::string* type = text_member(*format, "type");
  if (type == nullptr || *type != "json_schema" || schema == nullptr) {
    return api_fail(kBadRequest, "output_format",
                    "the output's format must have the type json_schema and a schema");
  }
  out_.chat["response_format"] = {{"type", "json_schema"},
                                  {"json_schema", {{"name", "output"}, {"schema", *schema}}}};
  return {};
}

tl::expected<ChatBody, ApiError> translate(std::string_view text, Endpoint endpoint,
                                           const RequestPolicy& policy) {
  const auto body = open_body(text, endpoint, policy);
  if (!body) return tl::unexpected(body.error());
  auto chat = Translator(body->json, endpoint).run();
  if (!chat) return chat;
  chat->warnings.insert(chat->warnings.begin(), body->warnings.begin(), body->warnings.end());
  return chat;
}

}  // namespace

tl::expected<GenerationPlan, ApiError> plan_messages(std::string_view body, const Backend& backend,
                                                     const RequestPolicy& policy) {
  auto chat = translate(body, kMessages, policy);
  if (!chat) return tl::unexpected(chat.error());
  auto plan = plan_parsed(kChat, chat->chat, backend, policy);
  if (!plan) return plan;
  plan->warnings.insert(plan->warnings.begin(), chat->warnings.begin(), chat->warnings.end());
  plan->make_writer = make_messages_writer;
  return plan;
}

HttpResponse count_tokens_answer(const Backend& backend, const RequestPolicy& policy,
                                 std::string_view body) {
  const auto chat = translate(body, kCountTokens, policy);
  if (!chat) return error_response(chat.error());
  if (auto good = check_model(Fields(chat->chat), backend); !good) {
    return error_response(good.error());
  }
  const auto count = count_chat_tokens(chat->chat, backend, policy);
  if (!count) return error_response(count.error());
  HttpResponse response;
  response.body = dump_json({{"input_tokens", *count}});
  return response;
}

}  // namespace quire::server
