// What chat's answers say of a message: whole, and as the difference that a piece brings.
#pragma once

#include "models/load/json.h"
#include "models/text/answer/answer_parser.h"

namespace quire::server {

enum class CallStyle {
  kTools,     // tool_calls
  kFunction,  // function_call: one call, as before there were tools
};

// content is null where only reasoning or calls came.
Json message_json(const text::Answer& answer, CallStyle style);

// first: the choice has shown nothing before. echo: text that comes before that of the events.
Json delta_json(const text::AnswerEvents& events, CallStyle style, bool first,
                const std::string& echo);

}  // namespace quire::server
