// One request inside the scheduler, and the states it may go through.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cache/cache_manager.h"
#include "scheduler/request.h"

namespace quire::scheduler {

enum class RequestState { kWaiting, kRunning, kFinished, kCancelled, kExpired, kFailed };

std::string_view name(RequestState state);

// The order in which requests are served. Waiting for one ageing time is worth one priority level,
// so the order of two requests never changes: both age alike.
struct Rank {
  std::int64_t due_ns = 0;   // arrival + priority * ageing
  std::uint64_t serial = 0;  // of submission
  friend auto operator<=>(const Rank&, const Rank&) = default;
};
Rank rank_of(const NewRequest& request, Time ageing, std::uint64_t serial);

struct Request {
  NewRequest input;  // its prompt has moved to `tokens`
  Rank rank;
  RequestState state = RequestState::kWaiting;
  std::vector<std::int32_t> tokens;  // known ones: prompt, then output
  std::vector<Hash128> page_hashes;  // of their full pages, as far as they were needed
  std::int64_t prompt_tokens = 0;
  std::int64_t computed = 0;         // leading tokens whose keys, values and states are there
  std::vector<std::int32_t> drafts;  // guesses of what follows `tokens`
  cache::SequenceId sequence = -1;   // while running
  bool cancelled = false;            // during a step: ends with it
  std::int64_t computed_most = 0;    // ever: what lies below is computed again
  std::int64_t preempted_at = 0;     // `computed` when it last lost its pages
  int bypassed = 0;                  // later ones admitted since it did not fit
  RequestId held_for = 0;            // waits for the pages that this one computes,
  std::int64_t held_at = -1;         // which had come so far,
  int held_steps = 0;                // and has not moved since
  RequestTrace trace;

  // This step.
  bool planned = false;
  int rows = 0, draft_rows = 0;
  std::vector<std::int32_t> row_tokens;  // with drafts

  std::int64_t known() const { return std::ssize(tokens); }
  std::int64_t pending() const { return known() - computed; }
  bool decodes() const { return pending() == 1; }
  std::int64_t output_tokens() const { return known() - prompt_tokens; }
  // Computed tokens when it ends: the last sampled token never runs.
  std::int64_t computed_max() const {
    return prompt_tokens + (input.new_tokens_max > 0 ? input.new_tokens_max - 1 : 0);
  }

  // The only place where `state` changes. CHECKs that the change is legal.
  void enter(RequestState next);
};

}  // namespace quire::scheduler
