// What a request cost, in tokens and in time: usage, llama.cpp's timings, and the receipt.
#pragma once

#include <vector>

#include "models/load/json.h"
#include "server/answer_writer.h"
#include "server/openai_request.h"

namespace quire::server {

struct UsageTotals {
  std::int64_t prompt = 0, completion = 0, cached = 0, reasoning = 0, drafts = 0, accepted = 0;
  std::int64_t predicted = 0, accepted_predicted = 0;  // of the drafts, those the client foretold
  int preemptions = 0;
  cache::MissedTokens missed = {};
};

// Prompt tokens count once per prompt, generated ones for every choice.
UsageTotals sum_usage(const GenerationPlan& plan, const std::vector<ChoiceState>& choices);

// OpenAI's usage of chat and completions.
Json usage_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices);

// llama.cpp's timings: prefill and decode of the request as a whole.
Json timings_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices);

// Where the wall time from plan.arrival to `now` went: its parts sum to total_ms.
Json receipt_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices, Time now);

}  // namespace quire::server
