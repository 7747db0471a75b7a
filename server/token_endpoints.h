// /tokenize, /detokenize and /apply-template: text to tokens and back, as generation would see it.
#pragma once

#include <string_view>

#include "models/load/json.h"
#include "server/backend.h"
#include "server/http_types.h"

namespace quire::server {

HttpResponse tokenize_answer(const Backend& backend, const RequestPolicy& policy,
                             std::string_view body);
HttpResponse detokenize_answer(const Backend& backend, const RequestPolicy& policy,
                               std::string_view body);
HttpResponse apply_template_answer(const Backend& backend, const RequestPolicy& policy,
                                   std::string_view body);

// tokenizer_config.json as the checkpoint has it, with the special tokens and the chat template
// filled in where other files have them.
// tokenizer_config.json with the special tokens and the chat template, wherever they stand.
Json tokenizer_info(const Backend& backend);
HttpResponse tokenizer_info_answer(const Backend& backend);

}  // namespace quire::server
