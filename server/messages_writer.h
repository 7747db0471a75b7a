// The answers of /v1/messages: a message of blocks, or its events; and errors in Anthropic's shape.
#pragma once

#include <memory>
#include <string>

#include "server/answer_writer.h"
#include "server/openai_request.h"

namespace quire::server {

// `plan` must outlive the writer.
std::unique_ptr<AnswerWriter> make_messages_writer(const GenerationPlan& plan,
                                                   const engine::Engine& engine, std::string id);

// Turns an answer with an error in OpenAI's shape into Anthropic's, on the paths of its API.
void use_anthropic_shape(const HttpRequest& request, HttpResponse& response);

}  // namespace quire::server
