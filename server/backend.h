// What the endpoints stand on: the engine, the chat template and the names of the model.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "models/text/answer/answer_format.h"
#include "models/text/chat_messages.h"
#include "server/pooling_setup.h"

namespace quire::grammar {
class GrammarStore;
}

namespace quire::server {

// The prompt's text. Called from worker threads; kInvalid names the field at fault.
using ChatRenderer = std::function<Result<std::string>(const text::ChatRequest&)>;

struct Backend {
  engine::Engine* engine = nullptr;
  ChatRenderer render_chat;              // empty: the checkpoint has no template
  ChatRenderer render_own;               // for requests that bring a template
  std::string template_source;           // of render_chat
  std::vector<std::string> model_names;  // the first is the one that answers carry
  PoolingSetup pooling;                  // what else the model is good for
  std::size_t prompt_bytes_max = 0;      // longer texts cannot fit the context; 0: no bound
  text::AnswerFormat answer_format;      // how the model spells reasoning and calls
  // ... and how it does where a request brings the template. May be empty.
  std::function<text::AnswerFormat(std::string_view template_source)> detect_format;
  grammar::GrammarStore* grammars = nullptr;
};

// Limits and habits that the operator sets.
struct RequestPolicy {
  bool strict_fields = false;
  bool trust_chat_template = false;  // of requests
  int logprobs_max = 20;
  double timeout_s = 600;
  bool receipts = false;  // in every answer, not only where the request asks for one
  // What may run and wait: see EngineConfig. For Retry-After; the engine enforces them.
  std::int64_t choices_max = 0;
  std::int64_t prompt_tokens_max = 0;
};

}  // namespace quire::server
