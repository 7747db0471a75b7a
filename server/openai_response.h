// The bodies of /v1/chat/completions and /v1/completions, whole and in pieces.
#pragma once

#include <memory>
#include <string>

#include "server/answer_writer.h"
#include "server/openai_request.h"

namespace quire::server {

// `plan` and `engine` must outlive the writer.
std::unique_ptr<AnswerWriter> make_openai_writer(const GenerationPlan& plan,
                                                 const engine::Engine& engine, std::string id);

}  // namespace quire::server
