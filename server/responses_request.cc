// Neighbouring items of the assistant (reasoning, text, calls) are one message in chat.
#include "server/responses_request.h"

#include <algorithm>
#include <array>

#include "server/answer_values.h"
#include "server/chat_prompt.h"
#include "server/request_body.h"
#include "server/responses_writer.h"
#include "server/translate.h"
#include "server/truncation.h"

namespace quire::server {
namespace {

using Expected = tl::expected<void, ApiError>;
using Text = tl::expected<std::string, ApiError>;

constexpr std::array<std::string_view, 13> kOwn{"input",
                                                "instructions",
                                                "text",
                                                "reasoning",
                                                "previous_response_id",
                                                "store",
                                                "metadata",
                                                "tools",
                                                "include",
                                                "tool_choice",
                                                "truncation",
                                                "top_logprobs",
                                                "max_output_tokens"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames{
    {{"messages", "input"},
     {"max_tokens", "max_output_tokens"},
     {"response_format", "text.format"},
     {"reasoning_effort", "reasoning.effort"}}};

// A text, or parts of text joined.
Text read_content(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    return api_fail(kBadRequest, where, "{} must be a string or a list of parts", where);
  }
  std::string out;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const std::string* type = text_member(content[i], "type");
    const bool refusal = type != nullptr && *type == "refusal";
    const std::string* text = text_member(content[i], refusal ? "refusal" : "text");
    const bool known =
        type != nullptr && (*type == "input_text" || *type == "output_text" || *type == "text" ||
                            *type == "reasoning_text" || *type == "summary_text" || refusal);
    if (!known || text == nullptr) {
      return api_fail(kBadRequest, fmt::format("{}[{}]", where, i),
                      "{}[{}]: parts of type {} are not supported here", where, i,
                      type != nullptr ? "\"" + type->substr(0, 40) + "\"" : "(none)");
    }
    out += *text;
  }
  return out;
}

class Translator {
 public:
  Translator(const Json& body, ResponseContext& context) : fields_(body), context_(context) {
    out_.chat = copy_shared_fields(body, kResponses, kChat, kOwn);
  }

  tl::expected<ChatBody, ApiError> run(ResponseStore& store) {
    if (auto good = read_history(store); !good) return tl::unexpected(good.error());
    for (const auto step :
         {&Translator::read_input, &Translator::read_tools, &Translator::read_choice,
          &Translator::read_text, &Translator::read_reasoning, &Translator::read_include,
          &Translator::read_truncation}) {
      if (auto good = (this->*step)(); !good) return tl::unexpected(good.error());
    }
    finish_messages();
    if (const Json* tokens = fields_.get("max_output_tokens")) out_.chat["max_tokens"] = *tokens;
    return std::move(out_);
  }

 private:
  Expected read_history(ResponseStore& store);
  Expected read_input();
  Expected read_item(const Json& item, const std::string& where);
  Expected read_message(const Json& item, const std::string& where);
  Expected read_call(const Json& item, const std::string& where);
  Expected read_tools();
  Expected read_choice();
  Expected read_text();
  Expected read_reasoning();
  Expected read_include();
  Expected read_truncation();
  void warn_of_others(const Json& object, std::string_view name,
                      std::initializer_list<std::string_view> known);
  void finish_messages();
  // The assistant's message that the next of its items belongs to.
  Json& assistant();

  Fields fields_;
  ResponseContext& context_;
  ChatBody out_;
  std::string system_;
};

Expected Translator::read_history(ResponseStore& store) {
  if (fields_.get("previous_response_id") == nullptr) return {};
  const std::string id = fields_.text("previous_response_id", "");
  const auto stored = store.get(id, SteadyClock().now());
  if (stored == nullptr) {
    return api_fail(ErrorKind{400, "invalid_request_error", "previous_response_not_found"},
                    "previous_response_id",
                    "there is no stored response \"{}\"; it was not stored, or has been forgotten",
                    id.substr(0, 128));
  }
  context_.conversation = parse_json(stored->conversation).value_or(Json::array());
  return {};
}

Json& Translator::assistant() {
  Json& messages = context_.conversation;
  if (messages.empty() || messages.back()["role"] != "assistant") {
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  }
  return messages.back();
}

Expected Translator::read_input() {
  const Json* input = fields_.get("input");
  if (input == nullptr) return api_fail(kBadRequest, "input", "input is missing");
  if (input->is_string()) {
    context_.conversation.push_back({{"role", "user"}, {"content", *input}});
    return {};
  }
  if (!input->is_array()) {
    return api_fail(kBadRequest, "input", "input must be a string or a list of items");
  }
  for (std::size_t i = 0; i < input->size(); ++i) {
    if (auto good = read_item((*input)[i], fmt::format("input[{}]", i)); !good) return good;
  }
  return {};
}

Expected Translator::read_item(const Json& item, const std::string& where) {
  const std::string* type = text_member(item, "type");
  if (type == nullptr || *type == "message") return read_message(item, where);
  if (*type == "function_call") return read_call(item, where);
  if (*type == "function_call_output") {
    const std::string* id = text_member(item, "call_id");
    const Json* output = find_member(item, "output");
    if (id == nullptr || output == nullptr) {
      return api_fail(kBadRequest, where, "{} must have a call_id and an output", where);
    }
    auto text = read_content(*output, where + ".output");
    if (!text) return tl::unexpected(text.error());
    context_.conversation.push_back({{"role", "tool"}, {"tool_call_id", *id}, {"content", *text}});
    return {};
  }
  if (*type == "reasoning") {
    const Json* content = find_member(item, "content");
    const Json* summary = find_member(item, "summary");
    const Json* shown = content != nullptr && !content->empty() ? content : summary;
    if (shown == nullptr || shown->is_null()) return {};
    auto text = read_content(*shown, where + ".content");
    if (!text) return tl::unexpected(text.error());
    context_.conversation.push_back(
        {{"role", "assistant"}, {"content", ""}, {"reasoning_content", *text}});
    return {};
  }
  return api_fail(kBadRequest, where, "{}: items of type \"{}\" are not supported here", where,
                  type->substr(0, 40));
}

Expected Translator::read_message(const Json& item, const std::string& where) {
  const std::string* role = text_member(item, "role");
  const Json* content = find_member(item, "content");
  if (role == nullptr || content == nullptr) {
    return api_fail(kBadRequest, where, "{} must have a role and a content", where);
  }
  auto text = read_content(*content, where + ".content");
  if (!text) return tl::unexpected(text.error());
  if (*role == "system" || *role == "developer") {
    // Templates want one system message, and want it first.
    system_ += (system_.empty() ? "" : "\n\n") + *text;
  } else if (*role == "assistant") {
    Json& message = assistant();
    message["content"] = message["content"].get<std::string>() + *text;
  } else if (*role == "user") {
    context_.conversation.push_back({{"role", "user"}, {"content", *text}});
  } else {
    return api_fail(kBadRequest, where + ".role",
                    "{}.role must be user, assistant, system or developer", where);
  }
  return {};
}

Expected Translator::read_call(const Json& item, const std::string& where) {
  const std::string* id = text_member(item, "call_id");
  const std::string* name = text_member(item, "name");
  const std::string* arguments = text_member(item, "arguments");
  if (id == nullptr || name == nullptr || arguments == nullptr) {
    return api_fail(kBadRequest, where, "{} must have a call_id, a name and arguments", where);
  }
  assistant()["tool_calls"].push_back({{"id", *id},
                                       {"type", "function"},
                                       {"function", {{"name", *name}, {"arguments", *arguments}}}});
  return {};
}

void Translator::finish_messages() {
  std::string system = fields_.text("instructions", "");
  if (!system_.empty()) system += (system.empty() ? "" : "\n\n") + system_;
  Json messages = Json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  for (const Json& message : context_.conversation) messages.push_back(message);
  out_.chat["messages"] = std::move(messages);
  out_.chat["add_generation_prompt"] = true;  // an answer is an item of its own
}

Expected Translator::read_tools() {
  const Json* tools = fields_.get("tools");
  if (tools == nullptr || tools->empty()) return {};
  Json list = Json::array();
  for (std::size_t i = 0; i < tools->size(); ++i) {
    const Json& tool = (*tools)[i];
    const std::string* type = text_member(tool, "type");
    if (type == nullptr) {
      return api_fail(kBadRequest, fmt::format("tools[{}].type", i), "tools[{}].type is missing",
                      i);
    }
    if (*type != "function") {
      out_.leave_out_tool(i, *type);
      continue;
    }
    const auto good = check_function(tool, fmt::format("tools[{}]", i), "parameters");
    if (!good) return good;
    Json function = tool;
    function.erase("type");
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
  if (choice->is_string()) {
    out_.chat["tool_choice"] = *choice;
  } else if (type != nullptr && *type == "function" && name != nullptr) {
    out_.chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
  } else if (type != nullptr && *type == "allowed_tools") {
    out_.chat["tool_choice"] = *choice;
  } else {
    return api_fail(kUnsupportedField, "tool_choice",
                    "tool_choice must be auto, none, required, a function with its name, or "
                    "allowed_tools");
  }
  return {};
}

Expected Translator::read_text() {
  const Json* text = fields_.get("text");
  const Json* format = text == nullptr ? nullptr : find_member(*text, "format");
  if (text != nullptr) warn_of_others(*text, "text", {"format", "verbosity"});
  if (format == nullptr || format->is_null()) return {};
  const std::string* type = text_member(*format, "type");
  if (type == nullptr) {
    return api_fail(kBadRequest, "text.format.type", "text.format.type must be a string");
  }
  if (*type == "text") return {};
  if (*type != "json_schema") {
    out_.chat["response_format"] = {{"type", *type}};
    return {};
  }
  Json schema = *format;
  schema.erase("type");
  out_.chat["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
  return {};
}

Expected Translator::read_reasoning() {
  const Json* reasoning = fields_.get("reasoning");
  const Json* effort = reasoning == nullptr ? nullptr : find_member(*reasoning, "effort");
  if (effort != nullptr && !effort->is_null()) out_.chat["reasoning_effort"] = *effort;
  // A summary is never made: the reasoning itself is shown.
  if (reasoning != nullptr) {
    warn_of_others(*reasoning, "reasoning", {"effort", "summary", "generate_summary"});
  }
  return {};
}

void Translator::warn_of_others(const Json& object, std::string_view name,
                                std::initializer_list<std::string_view> known) {
  for (const auto& [member, value] : object.items()) {
    if (std::find(known.begin(), known.end(), member) != known.end()) continue;
    out_.warnings.push_back(
        fmt::format("unknown field \"{}.{}\" was ignored", name, member.substr(0, 64)));
  }
}

// Logprobs are shown when they are included, or when alternatives to each token are asked for.
Expected Translator::read_include() {
  static constexpr std::string_view kLogprobs = "message.output_text.logprobs";
  // What tools bring that are not here, and what is never encrypted.
  static constexpr std::string_view kNothingToAdd[] = {
      "reasoning.encrypted_content",   "file_search_call.results",
      "web_search_call.results",       "web_search_call.action.sources",
      "code_interpreter_call.outputs", "computer_call_output.output.image_url",
      "message.input_image.image_url"};
  bool logprobs = fields_.integer("top_logprobs", 0) > 0;
  const Json* include = fields_.get("include");
  for (std::size_t i = 0; include != nullptr && i < include->size(); ++i) {
    const Json& item = (*include)[i];
    logprobs = logprobs || item == kLogprobs;
    const bool known =
        item == kLogprobs || std::any_of(std::begin(kNothingToAdd), std::end(kNothingToAdd),
                                         [&](std::string_view name) { return item == name; });
    if (known) continue;
    return api_fail(kBadRequest, fmt::format("include[{}]", i),
                    "include[{}]: {} is nothing that can be included", i,
                    dump_json(item).substr(0, 64));
  }
  if (logprobs) {
    out_.chat["logprobs"] = true;
    out_.chat["top_logprobs"] = fields_.integer("top_logprobs", 0);
  }
  return {};
}

Expected Translator::read_truncation() {
  const std::string truncation = fields_.text("truncation", "disabled");
  if (truncation == "disabled" || truncation == "auto") return {};
  return api_fail(kBadRequest, "truncation", "truncation must be auto or disabled, got \"{}\"",
                  truncation.substr(0, 64));
}

// The members of a response that repeat its request, with what absent ones stand for.
Json echo_of(const Json& body, const GenerationPlan& plan) {
  const Fields fields(body);
  const auto or_else = [&](const char* name, Json fallback) {
    const Json* value = fields.get(name);
    return value != nullptr ? *value : std::move(fallback);
  };
  const engine::SamplingParams& sampling = plan.prompts.front().request.sampling;
  Json out = Json::object();
  out["instructions"] = or_else("instructions", nullptr);
  out["max_output_tokens"] = or_else("max_output_tokens", nullptr);
  out["max_tool_calls"] = or_else("max_tool_calls", nullptr);
  out["parallel_tool_calls"] = or_else("parallel_tool_calls", true);
  out["previous_response_id"] = or_else("previous_response_id", nullptr);
  const Json reasoning = or_else("reasoning", Json::object());
  out["reasoning"] = {{"effort", reasoning.value("effort", Json(nullptr))}, {"summary", nullptr}};
  out["service_tier"] = plan.service_tier;
  out["store"] = fields.flag("store", true);
  out["temperature"] = shown(sampling.temperature);
  out["text"] = or_else("text", {{"format", {{"type", "text"}}}});
  out["tool_choice"] = or_else("tool_choice", "auto");
  out["tools"] = or_else("tools", Json::array());
  out["top_logprobs"] = or_else("top_logprobs", 0);
  out["top_p"] = shown(sampling.top_p);
  out["truncation"] = or_else("truncation", "disabled");
  out["user"] = or_else("user", nullptr);
  out["metadata"] = or_else("metadata", Json::object());
  return out;
}

HttpResponse not_stored(const std::string& id) {
  return error_response({kPathNotFound,
                         fmt::format("there is no stored response \"{}\"", id.substr(0, 128)),
                         "response_id"});
}

// The chat that a body stands for, its oldest messages left out where it allows that.
tl::expected<ChatBody, ApiError> translate(const CheckedBody& body, ResponseContext& context,
                                           const Backend& backend, const RequestPolicy& policy,
                                           ResponseStore& store) {
  auto chat = Translator(body.json, context).run(store);
  if (!chat) return tl::unexpected(rename_param(chat.error(), kNames));
  if (Fields(body.json).text("truncation", "disabled") == "auto") {
    const std::size_t dropped = drop_oldest_messages(chat->chat, backend, policy);
    if (dropped > 0) {
      chat->warnings.push_back(
          fmt::format("truncation: the oldest {} messages were left out", dropped));
    }
  }
  return chat;
}

}  // namespace

tl::expected<GenerationPlan, ApiError> plan_responses(std::string_view text, const Backend& backend,
                                                      const RequestPolicy& policy,
                                                      const std::shared_ptr<ResponseStore>& store) {
  const auto body = open_body(text, kResponses, policy);
  if (!body) return tl::unexpected(body.error());
  auto context = std::make_shared<ResponseContext>();
  auto chat = translate(*body, *context, backend, policy, *store);
  if (!chat) return tl::unexpected(chat.error());
  auto plan = plan_parsed(kChat, chat->chat, backend, policy);
  if (!plan) return tl::unexpected(rename_param(plan.error(), kNames));
  plan->warnings.insert(plan->warnings.begin(), chat->warnings.begin(), chat->warnings.end());
  plan->warnings.insert(plan->warnings.begin(), body->warnings.begin(), body->warnings.end());
  context->echo = echo_of(body->json, *plan);
  if (Fields(body->json).flag("store", true)) context->store = store;
  plan->make_writer = make_responses_writer(std::move(context));
  return plan;
}

HttpResponse response_tokens_answer(const Backend& backend, const RequestPolicy& policy,
                                    ResponseStore& store, std::string_view text) {
  const auto body = open_body(text, kResponses, policy);
  if (!body) return error_response(body.error());
  if (auto good = check_model(Fields(body->json), backend); !good) {
    return error_response(good.error());
  }
  ResponseContext context;
  const auto chat = translate(*body, context, backend, policy, store);
  if (!chat) return error_response(chat.error());
  const auto count = count_chat_tokens(chat->chat, backend, policy);
  if (!count) return error_response(rename_param(count.error(), kNames));
  HttpResponse response;
  response.body = dump_json({{"object", "response.input_tokens"}, {"input_tokens", *count}});
  return response;
}

HttpResponse cancelled_response_answer(ResponseStore& store, const std::string& id,
                                       bool cancelled) {
  if (!cancelled) {
    if (store.get(id, SteadyClock().now()) == nullptr) return not_stored(id);
    return error_response({kBadRequest,
                           fmt::format("the response \"{}\" is complete", id.substr(0, 128)),
                           "response_id"});
  }
  HttpResponse response;
  response.body = dump_json({{"id", id}, {"object", "response"}, {"status", "cancelled"}});
  return response;
}

HttpResponse stored_response_answer(ResponseStore& store, const std::string& id) {
  const auto stored = store.get(id, SteadyClock().now());
  if (stored == nullptr) return not_stored(id);
  HttpResponse response;
  response.body = stored->body;
  return response;
}

HttpResponse delete_response_answer(ResponseStore& store, const std::string& id) {
  if (!store.erase(id, SteadyClock().now())) return not_stored(id);
  HttpResponse response;
  response.body = dump_json({{"id", id}, {"object", "response"}, {"deleted", true}});
  return response;
}

}  // namespace quire::server
