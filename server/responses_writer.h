// The answers of /v1/responses: a response of items, or its typed events.
#pragma once

#include <memory>

#include "server/answer_writer.h"
#include "server/openai_request.h"
#include "server/response_store.h"

namespace quire::server {

// What the answer repeats of its request, and what a later request continues from.
struct ResponseContext {
  Json echo = Json::object();            // the members of the response that come from the request
  Json conversation = Json::array();     // chat's messages without instructions
  std::shared_ptr<ResponseStore> store;  // null: nothing is kept
};

WriterMaker make_responses_writer(std::shared_ptr<const ResponseContext> context);

}  // namespace quire::server
