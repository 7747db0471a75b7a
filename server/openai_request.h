// Turns the body of a generating request into what the engine is asked and how to answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/answer_plan.h"
#include "server/answer_writer.h"
#include "server/backend.h"
#include "server/request_fields.h"
#include "server/token_offsets.h"

namespace quire::server {

struct PromptPlan {
  engine::GenerateRequest request;  // moved to the engine at submission
  std::int64_t prompt_tokens = 0;
  std::int64_t max_tokens = 0;
  // What the answer shows of it, when it is asked to:
  std::vector<std::int32_t> prompt_ids;
  std::string text;
  std::optional<TokenOffsets> offsets;  // absent where the tokens do not add up to the text
  std::string echo;                     // what comes before the answer's text
};

struct GenerationPlan;
// Makes the writer of a plan's answer; plan and engine outlive it. The last argument is a fresh id.
using WriterMaker = std::function<std::unique_ptr<AnswerWriter>(
    const GenerationPlan&, const engine::Engine&, std::string)>;

// A validated request: nothing in it can fail but admission.
struct GenerationPlan {
  Endpoint endpoint = kCompletions;  // kChat for every dialect that has messages
  WriterMaker make_writer;
  Time arrival = Time::zero();  // of the request, on the engine's clock
  bool receipt = false;
  std::string model;
  std::string request_id;    // that the body brings; empty: none
  std::string service_tier;  // that serves it
  bool shows_tier = false;   // since it was asked for
  bool stream = false;
  std::int64_t stream_interval = 1;  // tokens that a piece of a stream brings at least
  bool include_usage = false;
  bool continuous_usage = false;
  bool echo = false;
  bool return_token_ids = false;
  bool tokens_as_ids = false;
  bool return_prompt_text = false;
  bool return_token_offsets = false;
  bool detokenize = true;         // false: tokens are shown, no text
  bool legacy_functions = false;  // calls are shown as function_call
  int logprobs = -1;              // as SamplingParams
  int prompt_logprobs = -1;
  bool shows_prompt_logprobs = false;  // asked for by name, not only through echo
  int n = 1;
  std::vector<std::string> warnings;
  AnswerPlan answer;
  std::vector<PromptPlan> prompts;  // at least one
};

// endpoint: kChat or kCompletions. Renders and tokenizes; may take its time.
tl::expected<GenerationPlan, ApiError> plan_generation(Endpoint endpoint, std::string_view body,
                                                       const Backend& backend,
                                                       const RequestPolicy& policy);

// The same for a body that is parsed.
tl::expected<GenerationPlan, ApiError> plan_parsed(Endpoint endpoint, const Json& body,
                                                   const Backend& backend,
                                                   const RequestPolicy& policy);

// Whether a text of so many bytes can fit into the context; the error names the field.
tl::expected<void, ApiError> check_prompt_bytes(std::size_t bytes, const std::string& name,
                                                const Backend& backend);

// A list of token ids of the vocabulary.
tl::expected<std::vector<std::int32_t>, ApiError> read_token_ids(const Json& list,
                                                                 const std::string& name,
                                                                 std::int32_t vocab);

}  // namespace quire::server
