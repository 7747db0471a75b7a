// Events are applied in order; neighbours of one kind are joined.
#include "models/text/answer/answer.h"

#include "base/check.h"

namespace quire::text {

void Answer::apply(const AnswerEvents& events) {
  for (const AnswerEvent& event : events) {
    switch (event.kind) {
      case AnswerEvent::Kind::kReasoning:
        reasoning += event.text;
        break;
      case AnswerEvent::Kind::kContent:
        content += event.text;
        break;
      case AnswerEvent::Kind::kCallBegin:
        CHECK(event.call_idx == static_cast<int>(calls.size()), "call {} after {} calls",
              event.call_idx, calls.size());
        calls.push_back({event.call_id, event.text, {}});
        break;
      case AnswerEvent::Kind::kArguments:
        calls[static_cast<std::size_t>(event.call_idx)].arguments += event.text;
        break;
    }
  }
}

void add_event(AnswerEvents& events, AnswerEvent::Kind kind, std::string_view text, int call_idx) {
  if (text.empty()) return;
  if (!events.empty() && events.back().kind == kind && events.back().call_idx == call_idx) {
    events.back().text += text;
    return;
  }
  events.push_back({kind, std::string(text), call_idx, {}});
}

}  // namespace quire::text
