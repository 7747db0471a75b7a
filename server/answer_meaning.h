// From the engine's outputs to the events of an answer.
#pragma once

#include "engine/engine.h"
#include "models/text/answer/answer.h"
#include "server/answer_writer.h"
#include "server/openai_request.h"

namespace quire::server {

// What an output means for the answer of its choice.
struct Meaning {
  text::AnswerEvents events;
  text::TextSpans content;
};

// Every output of a choice once, in order; advances its state.
Meaning meaning_of(const GenerationPlan& plan, const engine::Output& output, ChoiceState& state);

}  // namespace quire::server
