// What the scheduler is told about a request, and what it plans and is told back: integers only.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/orders.h"

namespace quire::scheduler {

// Made by the engine, never by a client; unique for the life of the process.
using RequestId = std::uint64_t;

inline constexpr Time kNoDeadline = Time::max();

struct NewRequest {
  RequestId id = 0;
  std::vector<std::int32_t> prompt;  // at least one token
  std::int64_t new_tokens_max = 1;   // 0: the prompt is run and nothing is sampled
  int priority = 0;                  // lower runs first; waiting raises it (ageing)
  Time arrival = Time::zero();
  Time deadline = kNoDeadline;    // expires wherever it stands
  Hash128 cache_namespace = {};   // adapter, tenant and salt: pages are shared within it only
  bool read_prefix_cache = true;  // false when every prompt row is needed (prompt logprobs)
  bool write_prefix_cache = true;
};

using cache::PageCopy;
using cache::StateCopy;
using cache::StateSaveOrder;

// One sequence's share of a step. The spans stay valid until commit().
struct ScheduledSequence {
  RequestId id = 0;
  std::int64_t position = 0;  // of the first token
  int token_count = 0;        // rows, drafts included
  int draft_count = 0;        // trailing rows that are drafts
  // The last non-draft row is the sequence's newest known token, so its logits (and those of the
  // draft rows) are to be sampled. False for a prefill chunk that ends inside the prompt.
  bool samples = false;
  std::span<const std::int32_t> tokens;                        // [token_count]
  std::span<const std::span<const std::int32_t>> page_tables;  // [KV group][page]
  std::int32_t state_slot = -1;
  std::span<const StateSaveOrder> state_saves;
};

struct StepPlan {
  std::uint64_t number = 0;
  std::vector<ScheduledSequence> sequences;  // decodes first; may be empty
  std::vector<PageCopy> page_copies;
  std::vector<StateCopy> state_copies;
  std::vector<std::int32_t> state_zeros;  // slots to clear, after the copies
  std::vector<RequestId> expired;         // deadline passed: already released, to be reported
  std::vector<RequestId> preempted;       // for metrics; they wait again
  int token_count = 0;
  Time target = Time::zero();     // step time aimed at, for logs
  Time predicted = Time::zero();  // what the cost model expects
};

// What a sequence of the plan came to. tokens: for a sampling sequence 1 + the number of accepted
// drafts: the accepted drafts, then the token sampled after them. Empty otherwise.
struct SequenceResult {
  RequestId id = 0;
  std::vector<std::int32_t> tokens;
  bool finished = false;  // stop, length or cancelled during the step: release
  bool poisoned = false;  // non-finite numbers: release, and never publish what it computed
};

// Life of a request as the scheduler saw it, for the receipt and the metrics.
struct RequestTrace {
  Time arrival = Time::zero();
  Time first_scheduled = Time::zero();  // zero: never
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;    // prefix hit at first admission
  cache::MissedTokens missed = {};   // likewise
  std::int64_t computed_tokens = 0;  // tokens run, recomputation included
  int preemptions = 0;
  std::int64_t draft_tokens = 0, accepted_draft_tokens = 0;
};

}  // namespace quire::scheduler
