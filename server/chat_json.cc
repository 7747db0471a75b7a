// Members are set in the order in which OpenAI's own answers have them.
#include "server/chat_json.h"

#include <string>
#include <utility>

namespace quire::server {
namespace {

Json call_json(const text::ToolCall& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

// One fragment of a call: the first has the id and the whole name, later ones arguments only.
void add_fragment(const text::AnswerEvent& event, Json& list) {
  Json fragment = Json::object();
  fragment["index"] = event.call_idx;
  if (event.kind == text::AnswerEvent::Kind::kCallBegin) {
    fragment["id"] = event.call_id;
    fragment["type"] = "function";
    fragment["function"] = {{"name", event.text}, {"arguments", ""}};
  } else if (!list.empty() && list.back()["index"] == event.call_idx) {
    auto& arguments = list.back()["function"]["arguments"].get_ref<std::string&>();
    arguments += event.text;
    return;
  } else {
    fragment["function"] = {{"arguments", event.text}};
  }
  list.push_back(std::move(fragment));
}

}  // namespace

Json message_json(const text::Answer& answer, CallStyle style) {
  Json message = Json::object();
  message["role"] = "assistant";
  const bool only_others =
      answer.content.empty() && !(answer.calls.empty() && answer.reasoning.empty());
  message["content"] = only_others ? Json(nullptr) : Json(answer.content);
  message["refusal"] = nullptr;
  if (!answer.reasoning.empty()) {
    message["reasoning_content"] = answer.reasoning;
    message["reasoning"] = answer.reasoning;
  }
  if (answer.calls.empty()) return message;
  if (style == CallStyle::kFunction) {
    message["function_call"] = call_json(answer.calls.front())["function"];
    return message;
  }
  Json calls = Json::array();
  for (const text::ToolCall& call : answer.calls) calls.push_back(call_json(call));
  message["tool_calls"] = std::move(calls);
  return message;
}

Json delta_json(const text::AnswerEvents& events, CallStyle style, bool first,
                const std::string& echo) {
  using Kind = text::AnswerEvent::Kind;
  Json delta = Json::object();
  if (first) delta["role"] = "assistant";
  std::string content = echo;
  std::string reasoning;
  Json calls = Json::array();
  for (const text::AnswerEvent& event : events) {
    if (event.kind == Kind::kContent) {
      content += event.text;
    } else if (event.kind == Kind::kReasoning) {
      reasoning += event.text;
    } else {
      add_fragment(event, calls);
    }
  }
  if (!reasoning.empty()) {
    delta["reasoning_content"] = reasoning;
    delta["reasoning"] = reasoning;
  }
  if (!content.empty() || (first && reasoning.empty() && calls.empty())) delta["content"] = content;
  if (calls.empty()) return delta;
  if (style == CallStyle::kFunction) {
    delta["function_call"] = calls.front()["function"];
  } else {
    delta["tool_calls"] = std::move(calls);
  }
  return delta;
}

}  // namespace quire::server
