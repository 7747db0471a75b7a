// Validation and preparation of messages; the final message's continuation.
#include "models/text/chat_messages.h"

#include <algorithm>
#include <optional>

#include "models/text/jinja/unicode.h"

namespace quire::text {
namespace {

// Variables that a request sets through its own fields.
constexpr std::string_view kReservedVariables[] = {"tokenize",
                                                   "chat_template",
                                                   "messages",
                                                   "tools",
                                                   "documents",
                                                   "add_generation_prompt",
                                                   "continue_final_message"};

// The names under which clients and templates know a message's reasoning, by precedence.
constexpr const char* kReasoningFields[] = {"reasoning_content", "thinking", "reasoning"};

tl::unexpected<Error> refuse(std::string field, std::string_view wanted, const Json& got) {
  const std::string message = fmt::format("{} must be {}, got {}", field, wanted, got.type_name());
  return fail_at(std::move(field), ErrorCode::kInvalid, "{}", message);
}

Result<std::string> part_text(const Json& part, const std::string& field) {
  if (part.is_string()) return part.get<std::string>();
  if (!part.is_object()) return refuse(field, "an object", part);
  const Json* type = find_member(part, "type");
  if (type == nullptr || !type->is_string()) {
    return fail_at(field + ".type", ErrorCode::kInvalid, "{}.type must be a string", field);
  }
  const auto& name = type->get_ref<const std::string&>();
  const char* key = name == "refusal" ? "refusal" : (name == "thinking" ? "thinking" : "text");
  if (name != "text" && name != "input_text" && name != "output_text" && name != "refusal" &&
      name != "thinking") {
    return fail_at(field + ".type", ErrorCode::kInvalid,
                   "{}.type '{}' is not supported: the chat template takes text only", field, name);
  }
  const Json* text = find_member(part, key);
  if (text == nullptr || !text->is_string()) {
    return fail_at(fmt::format("{}.{}", field, key), ErrorCode::kInvalid, "{}.{} must be a string",
                   field, key);
  }
  return text->get<std::string>();
}

// The parts' texts, one to a line.
Result<std::string> joined_text(const Json& parts, const std::string& field) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    QUIRE_ASSIGN(const std::string text, part_text(parts[i], fmt::format("{}[{}]", field, i)));
    if (i > 0) out += '\n';
    out += text;
  }
  return out;
}

// A list of parts in which a bare string is a text part; every part names its type.
Result<Json> checked_parts(const Json& parts, const std::string& field) {
  Json out = Json::array();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", field, i);
    const Json& part = parts[i];
    if (part.is_string()) {
      out.push_back({{"type", "text"}, {"text", part}});
      continue;
    }
    if (!part.is_object()) return refuse(place, "an object", part);
    const Json* type = find_member(part, "type");
    if (type == nullptr || !type->is_string()) {
      return fail_at(place + ".type", ErrorCode::kInvalid, "{}.type must be a string", place);
    }
    const auto& name = type->get_ref<const std::string&>();
    if (name == "text" || name == "input_text" || name == "output_text" || name == "refusal" ||
        name == "thinking") {
      QUIRE_ASSIGN(const std::string text, part_text(part, place));
      out.push_back({{"type", "text"}, {"text", text}});
    } else {
      out.push_back(part);
    }
  }
  return out;
}

Result<Json> prepare_content(const Json& content, const std::string& field, ContentFormat format) {
  if (content.is_null()) return content;
  if (content.is_string()) {
    if (format != ContentFormat::kParts) return content;
    return Json::array({{{"type", "text"}, {"text", content}}});
  }
  if (!content.is_array()) return refuse(field, "a string, a list of parts or null", content);
  if (format != ContentFormat::kText) return checked_parts(content, field);
  QUIRE_ASSIGN(std::string text, joined_text(content, field));
  return Json(std::move(text));
}

// Templates walk over a call's arguments as an object; clients send its JSON text. What does not
// parse to an object becomes an empty one, as in vLLM: it is the model's own earlier output, and
// refusing it would end the conversation for good.
Json parsed_arguments(const Json& arguments) {
  if (arguments.is_object()) return arguments;
  if (arguments.is_string()) {
    auto parsed = parse_json(arguments.get_ref<const std::string&>());
    if (parsed && parsed->is_object()) return *std::move(parsed);
  }
  return Json::object();
}

Result<Json> prepare_tool_calls(const Json& calls, const std::string& field) {
  if (!calls.is_array()) return refuse(field, "a list", calls);
  Json out = Json::array();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", field, i);
    if (!calls[i].is_object()) return refuse(place, "an object", calls[i]);
    Json call = calls[i];
    const auto type = call.find("type");
    if (type != call.end() && *type != "function") {
      return fail_at(place + ".type", ErrorCode::kInvalid, "{}.type must be \"function\"", place);
    }
    const auto function = call.find("function");
    if (function == call.end() || !function->is_object()) {
      return fail_at(place + ".function", ErrorCode::kInvalid, "{}.function must be an object",
                     place);
    }
    const auto arguments = function->find("arguments");
    (*function)["arguments"] =
        arguments == function->end() ? Json::object() : parsed_arguments(*arguments);
    out.push_back(std::move(call));
  }
  return out;
}

// Presents the reasoning under each of its names, whichever the client used.
void alias_reasoning(Json& message) {
  for (const char* field : kReasoningFields) {
    const Json* found = find_member(message, field);
    if (found == nullptr || found->is_null()) continue;
    const Json reasoning = *found;
    for (const char* name : kReasoningFields) {
      if (const Json* present = find_member(message, name);
          present == nullptr || present->is_null() || name == kReasoningFields[0]) {
        message[name] = reasoning;
      }
    }
    return;
  }
}

Result<Json> prepare_message(const Json& message, const std::string& field, ContentFormat format) {
  if (!message.is_object()) return refuse(field, "an object", message);
  const Json* role = find_member(message, "role");
  if (role == nullptr || !role->is_string()) {
    return fail_at(field + ".role", ErrorCode::kInvalid, "{}.role must be a string", field);
  }
  Json out = message;
  if (const Json* content = find_member(message, "content")) {
    QUIRE_ASSIGN(out["content"], prepare_content(*content, field + ".content", format));
  }
  if (*role != "assistant") return out;
  alias_reasoning(out);
  const Json* calls = find_member(message, "tool_calls");
  if (calls == nullptr) return out;
  if (calls->is_null() || (calls->is_array() && calls->empty())) {
    out.erase("tool_calls");
    return out;
  }
  QUIRE_ASSIGN(out["tool_calls"], prepare_tool_calls(*calls, field + ".tool_calls"));
  return out;
}

Status check_objects(const Json& list, const std::string& field) {
  if (list.is_null()) return {};
  if (!list.is_array()) return refuse(field, "a list", list);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return refuse(fmt::format("{}[{}]", field, i), "an object", list[i]);
  }
  return {};
}

Status check_kwargs(const Json& kwargs) {
  if (!kwargs.is_object()) return refuse("chat_template_kwargs", "an object", kwargs);
  for (const auto& member : kwargs.items()) {
    if (std::find(std::begin(kReservedVariables), std::end(kReservedVariables), member.key()) !=
        std::end(kReservedVariables)) {
      return fail_at("chat_template_kwargs", ErrorCode::kInvalid,
                     "chat_template_kwargs may not contain '{}': it has a field of its own",
                     member.key());
    }
  }
  return {};
}

// Marks where the final message's content ends, to cut the rendered text there. The space tells
// whether the template trims the content.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

// Appends the tag to the final message's text; returns the text before.
Result<std::string> tag_final_message(Json& messages) {
  if (messages.empty()) {
    return fail_at("continue_final_message", ErrorCode::kInvalid,
                   "continue_final_message needs at least one message");
  }
  Json& content = messages.back()["content"];
  Json* text = content.is_string() ? &content : nullptr;
  if (content.is_array()) {
    for (std::size_t i = content.size(); i-- > 0 && text == nullptr;) {
      const auto found = content[i].find("text");
      if (found != content[i].end() && found->is_string()) text = &*found;
    }
  }
  if (text == nullptr) {
    return fail_at("continue_final_message", ErrorCode::kInvalid,
                   "continue_final_message is set but the final message has no text to continue");
  }
  std::string before = text->get<std::string>();
  *text = before + std::string(kContinueTag);
  return before;
}

Result<std::string> cut_behind_final_message(std::string rendered, const std::string& final_text) {
  const std::string_view tag = kContinueTag.substr(0, kContinueTag.size() - 1);
  const std::size_t found = rendered.rfind(tag);
  if (found == std::string::npos || rendered.find(jinja::strip(final_text)) == std::string::npos) {
    return fail_at("continue_final_message", ErrorCode::kInvalid,
                   "continue_final_message is set but the final message does not appear in the "
                   "rendered chat; the chat template deletes parts of it");
  }
  const bool keeps_space = rendered.compare(found, kContinueTag.size(), kContinueTag) == 0;
  rendered.resize(found);
  if (!keeps_space) rendered.resize(jinja::strip(rendered, jinja::Side::kRight).size());
  return rendered;
}

// Gives messages without content an empty text; false when there are none.
bool fill_empty_contents(Json& messages) {
  bool any = false;
  for (Json& message : messages) {
    const Json* content = find_member(message, "content");
    if (content != nullptr && !content->is_null()) continue;
    message["content"] = "";
    any = true;
  }
  return any;
}

Result<const ChatTemplate*> choose_template(const ChatTemplates& templates,
                                            const ChatRequest& request) {
  if (!request.template_name.empty()) {
    const auto found = templates.by_name.find(request.template_name);
    if (found != templates.by_name.end()) return &found->second;
    return fail_at("chat_template", ErrorCode::kNotFound, "there is no chat template named '{}'",
                   request.template_name);
  }
  const bool has_tools = request.tools.is_array() && !request.tools.empty();
  if (const ChatTemplate* chosen = templates.choose(has_tools)) return chosen;
  return fail(ErrorCode::kUnsupported, "the model has no chat template");
}

}  // namespace

ContentFormat content_format_of(const ChatTemplate& chat_template) {
  if (!chat_template.wants_content_parts()) return ContentFormat::kText;
  return chat_template.tests_for_text() ? ContentFormat::kEither : ContentFormat::kParts;
}

Result<Json> prepare_messages(const Json& messages, ContentFormat format) {
  if (!messages.is_array()) return refuse("messages", "a list", messages);
  Json out = Json::array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    QUIRE_ASSIGN(Json message,
                 prepare_message(messages[i], fmt::format("messages[{}]", i), format));
    out.push_back(std::move(message));
  }
  return out;
}

Result<std::string> render_chat(const ChatTemplates& templates, const ChatRequest& request,
                                std::int64_t now_unix) {
  QUIRE_TRY(check_objects(request.tools, "tools"));
  QUIRE_TRY(check_objects(request.documents, "documents"));
  QUIRE_TRY(check_kwargs(request.kwargs));
  if (request.continue_final_message && request.add_generation_prompt) {
    return fail_at("continue_final_message", ErrorCode::kInvalid,
                   "continue_final_message and add_generation_prompt cannot both be set");
  }
  std::optional<ChatTemplate> own;
  const ChatTemplate* chosen = nullptr;
  if (!request.template_source.empty()) {
    QUIRE_ASSIGN(own, ChatTemplate::compile(request.template_source));
    chosen = &*own;
  } else {
    QUIRE_ASSIGN(chosen, choose_template(templates, request));
  }
  QUIRE_ASSIGN(Json messages, prepare_messages(request.messages, content_format_of(*chosen)));
  std::string final_text;
  if (request.continue_final_message) {
    QUIRE_ASSIGN(final_text, tag_final_message(messages));
  }
  Json context = templates.special_tokens;
  for (const auto& member : request.kwargs.items()) context[member.key()] = member.value();
  context["messages"] = std::move(messages);
  context["tools"] = request.tools.is_array() && request.tools.empty() ? Json() : request.tools;
  context["documents"] = request.documents;
  context["add_generation_prompt"] = request.add_generation_prompt;
  auto rendered = chosen->render(context, now_unix);
  if (!rendered && fill_empty_contents(context["messages"])) {
    if (auto again = chosen->render(context, now_unix)) rendered = std::move(again);
  }
  if (!rendered || !request.continue_final_message) return rendered;
  return cut_behind_final_message(*std::move(rendered), final_text);
}

}  // namespace quire::text
