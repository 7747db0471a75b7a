// Tells the reasoning of an answer from its content, while the text comes.
#pragma once

#include <string>
#include <string_view>

#include "cli/chat_backend.h"
#include "models/text/answer/answer_parser.h"

namespace quire::cli {

class AnswerSplitter {
 public:
  // Of the answer to `prompt`, by a model that marks its reasoning so; the format outlives this.
  AnswerSplitter(const text::ReasoningFormat& format, std::string_view prompt);

  // The sink gets what has become certain.
  void push(std::string_view text, const TextSink& sink) { deliver(parser_.push(text), sink); }
  // The rest; cut: the answer did not come to its own end. Nothing may follow.
  void finish(bool cut, const TextSink& sink) { deliver(parser_.finish(cut), sink); }

 private:
  static void deliver(const text::AnswerEvents& events, const TextSink& sink);

  text::AnswerParser parser_;
};

// A request with what its answer is read by.
struct PromptedRequest {
  std::string prompt;  // the text that request.prompt encodes
  engine::GenerateRequest request;
  const text::ReasoningFormat* reasoning = nullptr;  // null: all of the answer is content
};

// Has the engine keep the tokens that mark reasoning in the text of the answer.
void show_markers(const engine::Engine& engine, PromptedRequest& prompted);

// As run_request, with reasoning and content apart.
Result<Answer> run_split(engine::Engine& engine, PromptedRequest prompted, const TextSink& sink,
                         const std::atomic<bool>& cancelled);

}  // namespace quire::cli
