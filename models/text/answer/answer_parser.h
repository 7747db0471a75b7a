// From the text of an answer, in pieces of any size, to its events.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "models/load/json.h"
#include "models/text/answer/answer.h"
#include "models/text/answer/answer_format.h"
#include "models/text/answer/text_source.h"

namespace quire::text {

class AnswerMachine;

struct AnswerParserOptions {
  AnswerFormat format;
  bool parse_calls = false;        // else calls are content
  bool reasoning_is_open = false;  // the prompt ends inside a block of reasoning
  bool show_reasoning = true;      // else reasoning is dropped
  // The calls are known to be well-formed (a grammar held while they were made): their arguments
  // come as they grow. Otherwise a call comes when it is complete, and as content when it is not
  // well-formed.
  bool calls_are_enforced = false;
  int calls_max = 0;     // further calls are content; 0: no limit
  Json tools = nullptr;  // of the request: types for formats that spell arguments without quotes
  std::function<std::string()> make_call_id = {};  // empty: "call_0", "call_1" ...
};

// The events depend on the text alone, never on how it was split into pieces.
class AnswerParser {
 public:
  explicit AnswerParser(AnswerParserOptions options);
  AnswerParser(AnswerParser&&) noexcept;
  ~AnswerParser();

  // What `text` makes certain; a possible beginning of a marker is held back.
  AnswerEvents push(std::string_view text);
  // The answer has ended; cut: since it had become too long. Nothing may follow.
  AnswerEvents finish(bool cut);

  // Where the content of all events since the last call stands in the text that was pushed: as many
  // bytes, in the same order.
  TextSpans take_content_spans();

  bool in_reasoning() const;
  int call_count() const;

 private:
  std::unique_ptr<const AnswerParserOptions> options_;
  std::unique_ptr<AnswerMachine> machine_;
};

}  // namespace quire::text
