// A choice's parser takes the text apart; without one the text is the answer.
#include "server/answer_meaning.h"

#include <utility>

namespace quire::server {

using engine::FinishReason;

Meaning meaning_of(const GenerationPlan& plan, const engine::Output& output, ChoiceState& state) {
  Meaning out;
  const std::size_t begin = state.raw_bytes;
  state.raw_bytes += output.text.size();
  if (!plan.detokenize) return out;
  text::AnswerEvents& events = out.events;
  if (!plan.answer.parser) {
    text::add_event(events, text::AnswerEvent::Kind::kContent, output.text);
    if (!output.text.empty()) out.content.push_back({begin, state.raw_bytes});
    return out;
  }
  if (!state.parser) state.parser = std::make_unique<text::AnswerParser>(*plan.answer.parser);
  events = state.parser->push(output.text);
  if (output.finish != FinishReason::kNone) {
    const bool cut = output.finish != FinishReason::kStop;
    for (text::AnswerEvent& event : state.parser->finish(cut)) {
      if (event.kind == text::AnswerEvent::Kind::kCallBegin) {
        events.push_back(std::move(event));
      } else {
        text::add_event(events, event.kind, event.text, event.call_idx);
      }
    }
  }
  out.content = state.parser->take_content_spans();
  return out;
}

}  // namespace quire::server
