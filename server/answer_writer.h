// How the answers of one request are written: each API dialect has a writer of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "models/text/answer/answer_parser.h"
#include "server/api_error.h"

namespace quire::server {

// What has come of one choice so far.
struct ChoiceState {
  // Takes the text apart, when the plan says how; null until the first output.
  std::unique_ptr<text::AnswerParser> parser;
  text::Answer answer;
  std::vector<engine::OutputToken> tokens;         // whole answers only, if they are to be shown
  std::vector<engine::OutputToken> prompt_tokens;  // of the prompt's first choice
  engine::FinishReason finish = engine::FinishReason::kNone;
  std::string stop_reason;
  std::int32_t stop_token_id = -1;
  engine::Usage usage;
  engine::Timings timings;
  std::int64_t token_count = 0;
  std::int64_t chunks = 0;
  std::int64_t text_offset = 0;  // in code points
  std::size_t raw_bytes = 0;     // of the text as it came from the engine
};

// One output of the engine and what its text means. state.answer has the events already.
struct AnswerPiece {
  std::size_t index = 0;  // of the choice
  const engine::Output* output = nullptr;
  const text::AnswerEvents* events = nullptr;
  // Where the content among them stands in the answer's raw text.
  std::span<const text::TextSpan> content = {};
};

// Writes one request's answer, either whole or as a stream. choices[i] is choice i % n of prompt
// i / n. Belongs to the I/O thread of its connection.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  virtual std::string whole(const std::vector<ChoiceState>& choices) = 0;
  // Each piece of an answer that is going to be whole, for writers that want to see them.
  virtual void note(const AnswerPiece&) {}
  // The bytes of the stream that a piece brings; advances its choice's state. May be empty.
  virtual std::string piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) = 0;
  // After the last piece of every choice.
  virtual std::string stream_end(const std::vector<ChoiceState>& choices) = 0;
  // Ends a stream that has begun.
  virtual std::string stream_error(const ApiError& error) = 0;
};

// "stop", "length", "tool_calls", "abort", "error"; a deadline that passed shows as "length".
std::string_view finish_reason_name(const ChoiceState& state);

}  // namespace quire::server
