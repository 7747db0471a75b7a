// The choice of the machine, and what the machines share.
#include "models/text/answer/answer_parser.h"

#include "models/text/answer/answer_machine.h"

namespace quire::text {

void CallWriter::begin(const std::string& name, const std::string& native_id,
                       AnswerEvents& events) {
  std::string id = native_id;
  if (id.empty()) {
    id = options_.make_call_id ? options_.make_call_id() : "call_" + std::to_string(count_);
  }
  events.push_back({AnswerEvent::Kind::kCallBegin, name, count_, std::move(id)});
  ++count_;
  open_ = true;
  written_ = 0;
}

void CallWriter::grow(std::string_view arguments, AnswerEvents& events) {
  if (arguments.size() <= written_) return;
  add_event(events, AnswerEvent::Kind::kArguments, arguments.substr(written_), count_ - 1);
  written_ = arguments.size();
}

AnswerParser::AnswerParser(AnswerParserOptions options)
    : options_(std::make_unique<const AnswerParserOptions>(std::move(options))) {
  const AnswerFormat& format = options_->format;
  const bool harmony = (format.tools != nullptr && format.tools->shape == CallShape::kHarmony) ||
                       (format.reasoning != nullptr && format.reasoning->is_harmony);
  machine_ = harmony ? make_harmony_machine(*options_) : make_marker_machine(*options_);
}

AnswerParser::AnswerParser(AnswerParser&&) noexcept = default;
AnswerParser::~AnswerParser() = default;

AnswerEvents AnswerParser::push(std::string_view text) {
  AnswerEvents events;
  for (const char c : text) machine_->push(c, events);
  return events;
}

AnswerEvents AnswerParser::finish(bool cut) {
  AnswerEvents events;
  machine_->finish(cut, events);
  return events;
}

TextSpans AnswerParser::take_content_spans() { return machine_->take_content_spans(); }

bool AnswerParser::in_reasoning() const { return machine_->in_reasoning(); }
int AnswerParser::call_count() const { return machine_->call_count(); }

}  // namespace quire::text
