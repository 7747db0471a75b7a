// The conversation of a body in chat's form, and the text that a template makes of it.
#pragma once

#include <cstdint>
#include <string>

#include "server/api_error.h"
#include "server/backend.h"
#include "server/request_fields.h"

namespace quire::server {

// The text of the prompt, by the model's template or by the one that the body brings: only where
// the policy trusts those. Compiles and renders; may take its time.
tl::expected<std::string, ApiError> render_chat_prompt(const Fields& fields, const Backend& backend,
                                                       const RequestPolicy& policy);

// Whether the answer goes on in the last message: as the request says, else when that is a text of
// the assistant, as for Anthropic and llama.cpp.
bool continues_final_message(const Fields& fields);

// How many tokens that text has, whatever the context.
tl::expected<std::int64_t, ApiError> count_chat_tokens(const Json& chat, const Backend& backend,
                                                       const RequestPolicy& policy);

// How the model answers to that prompt, as far as a template tells.
text::AnswerFormat chat_answer_format(const Fields& fields, const Backend& backend);

// What echo puts before the answer: the text of the last message, if its role is the answer's.
std::string echoed_message(const Fields& fields);

}  // namespace quire::server
