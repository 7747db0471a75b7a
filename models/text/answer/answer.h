// A model's answer taken apart: reasoning, content and tool calls, as events while it grows and as
// one value when it is whole.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quire::text {

// A step of the answer's growth. A call begins with its id and whole name; fragments of its
// arguments follow. Applying every event in order gives the answer.
struct AnswerEvent {
  enum class Kind { kReasoning, kContent, kCallBegin, kArguments };
  Kind kind = Kind::kContent;
  std::string text;     // to append; with kCallBegin the function's name
  int call_idx = 0;     // calls count from 0
  std::string call_id;  // with kCallBegin

  friend bool operator==(const AnswerEvent&, const AnswerEvent&) = default;
};
using AnswerEvents = std::vector<AnswerEvent>;

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text of an object; cut short when the answer was

  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

struct Answer {
  std::string reasoning;
  std::string content;
  std::vector<ToolCall> calls;

  void apply(const AnswerEvents& events);
  friend bool operator==(const Answer&, const Answer&) = default;
};

// Appends `text` of that kind, joined to the last event where that is of the same kind (and call).
void add_event(AnswerEvents& events, AnswerEvent::Kind kind, std::string_view text,
               int call_idx = 0);

}  // namespace quire::text
