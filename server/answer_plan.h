// How an answer is held to its request and taken apart: structure, tools, reasoning.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "models/text/answer/answer_parser.h"
#include "server/backend.h"
#include "server/request_fields.h"

namespace quire::server {

// Of one request; the same for each of its choices.
struct AnswerPlan {
  // Absent: the text is the answer.
  std::optional<text::AnswerParserOptions> parser;
  // For every prompt's engine::GenerateRequest.
  std::shared_ptr<grammar::CompiledGrammar> grammar;
  engine::ReasoningMarkers reasoning;
  std::vector<std::int32_t> visible_special_ids;

  void apply(engine::GenerateRequest& request) const;
};

// Reads response_format, structured_outputs and their kin, tools, tool_choice, and the fields on
// reasoning. prompt: the rendered text of a chat, which may end inside a block of reasoning; empty
// for completions. Compiles; may take its time.
tl::expected<AnswerPlan, ApiError> plan_answer(const Fields& fields, Endpoint endpoint,
                                               const Backend& backend, std::string_view prompt);

// A function that may be called, as the body has it at `place`; schema: the name of the member
// with its parameters.
tl::expected<void, ApiError> check_function(const Json& function, const std::string& place,
                                            const char* schema);

// The request's tools, each of them checked.
tl::expected<void, ApiError> check_tools(const Fields& fields);

}  // namespace quire::server
