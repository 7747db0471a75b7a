// The state machines behind AnswerParser: each takes the text byte by byte, so that its events
// cannot depend on how the text was split.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "models/text/answer/answer.h"
#include "models/text/answer/answer_parser.h"
#include "models/text/answer/text_source.h"

namespace quire::text {

class AnswerMachine {
 public:
  virtual ~AnswerMachine() = default;
  void push(char c, AnswerEvents& events) {
    ++fed_;
    feed(c, events);
  }
  virtual void finish(bool cut, AnswerEvents& events) = 0;
  virtual bool in_reasoning() const = 0;
  virtual int call_count() const = 0;
  // Of the content of all events since the last call.
  TextSpans take_content_spans() { return std::exchange(spans_, {}); }

 protected:
  virtual void feed(char c, AnswerEvents& events) = 0;
  // Bytes of the text so far, the one that is being fed included.
  std::size_t fed() const { return fed_; }
  // Content in the order of the text. end: of `text` in the whole text.
  void add_content_text(std::string_view text, std::size_t end, AnswerEvents& events) {
    add_event(events, AnswerEvent::Kind::kContent, text);
    for (std::size_t at = end - text.size(); at < end; ++at) add_byte(spans_, at);
  }
  void add_content_text(const SourcedText& text, AnswerEvents& events) {
    add_event(events, AnswerEvent::Kind::kContent, text.text());
    for (std::size_t i = 0; i < text.text().size(); ++i) add_byte(spans_, text.at(i));
  }

 private:
  std::size_t fed_ = 0;
  TextSpans spans_;
};

// options must outlive the machine.
std::unique_ptr<AnswerMachine> make_marker_machine(const AnswerParserOptions& options);
std::unique_ptr<AnswerMachine> make_harmony_machine(const AnswerParserOptions& options);

// Writes calls as events, with their numbers and ids.
class CallWriter {
 public:
  explicit CallWriter(const AnswerParserOptions& options) : options_(options) {}

  // One call may be open at a time.
  void begin(const std::string& name, const std::string& native_id, AnswerEvents& events);
  // `arguments` is what is known of them by now; appends what is new.
  void grow(std::string_view arguments, AnswerEvents& events);
  void end() { open_ = false; }
  bool open() const { return open_; }
  int count() const { return count_; }
  bool may_call() const {
    return options_.parse_calls && (options_.calls_max <= 0 || count_ < options_.calls_max);
  }

 private:
  const AnswerParserOptions& options_;
  int count_ = 0;
  bool open_ = false;
  std::size_t written_ = 0;  // bytes of the open call's arguments
};

}  // namespace quire::text
