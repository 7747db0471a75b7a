// The bodies of /v1/chat/completions and /v1/completions, whole and in pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/openai_request.h"

namespace quire::server {

// What has come of one choice so far.
struct ChoiceState {
  // Takes the text apart, when the plan says how; null until the first output.
  std::unique_ptr<text::AnswerParser> parser;
  text::Answer answer;                             // whole answers only; content is the text
  std::vector<engine::OutputToken> tokens;         // whole answers only, if they are to be shown
  std::vector<engine::OutputToken> prompt_tokens;  // of the prompt's first choice
  engine::FinishReason finish = engine::FinishReason::kNone;
  std::string stop_reason;
  engine::Usage usage;
  engine::Timings timings;
  std::int64_t token_count = 0;
  std::int64_t chunks = 0;
  std::int64_t text_offset = 0;  // in code points
};

// "stop", "length", "abort", "error"; a deadline that passed shows as "length".
std::string_view finish_reason_name(engine::FinishReason reason);

// What the output brings to the answer of its choice. Every output once, in order.
text::AnswerEvents answer_events(const GenerationPlan& plan, const engine::Output& output,
                                 ChoiceState& state);

// Formats the answers of one request. `plan` and `tokenizer` must outlive it.
class AnswerFormatter {
 public:
  AnswerFormatter(const GenerationPlan& plan, const engine::Engine& engine, std::string id);

  // choices[i] is choice i % n of prompt i / n.
  std::string whole(const std::vector<ChoiceState>& choices) const;
  // The event of one output of choice `index`; advances its state. Empty: nothing to show.
  std::string chunk(std::size_t index, const engine::Output& output,
                    std::vector<ChoiceState>& choices) const;
  std::string usage_chunk(const std::vector<ChoiceState>& choices) const;

 private:
  struct Parts;
  const GenerationPlan& plan_;
  const text::Tokenizer& tokenizer_;
  std::string id_;
  std::string fingerprint_;
  std::int64_t created_;
};

}  // namespace quire::server
