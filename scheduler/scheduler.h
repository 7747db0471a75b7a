// Which tokens run in the next step: a pure state machine over integers. Time comes in as a value;
// there is no thread, no lock, no tensor and no clock in here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cache/cache_manager.h"
#include "scheduler/request.h"

namespace quire::scheduler {

struct SchedulerConfig {
  int sequences_max = 64;     // running at once
  int step_tokens_max = 512;  // rows of one step
  int waiting_max = 256;      // queued requests; more are refused
  std::int64_t waiting_tokens_max = 2'000'000;
  std::int64_t context_max = 0;  // prompt + output
  Time step_target = std::chrono::milliseconds(100);
  // Of a step in which nobody decodes: no stream waits for it, and tall steps cost less a token.
  Time prefill_only_target = std::chrono::seconds(1);
  int prefill_tokens_min = 16;  // floor of prefill progress in a step with waiting prefill work
  int look_past_max = 8;        // waiting requests skipped in a step since they do not fit
  int drafts_max = 8;
  Time ageing = std::chrono::seconds(10);  // waiting this long is worth one priority level
  int debug_preempt_every = 0;             // steps; 0 = off. Forces the rare path in tests.
  int debug_chunk_tokens = 0;  // fixed prefill chunk instead of the time budget; 0 = off
};

struct SchedulerStats {
  int running = 0, waiting = 0;
  std::int64_t waiting_tokens = 0;
  std::uint64_t steps = 0, preemptions = 0;
  std::int64_t recomputed_tokens = 0;
};

// Not thread-safe: the engine thread owns it. Invariants (check_invariants):
//  - every submitted request is waiting or running until finished, cancelled or expired, once;
//  - a request's computed tokens never pass its known tokens;
//  - the cache's own invariants hold and only running requests hold pages and slots.
class Scheduler {
 public:
  Scheduler(const SchedulerConfig& config, cache::CacheManager& cache);
  ~Scheduler();

  // Refuses: queue limits (kOverloaded), prompt + new_tokens_max beyond context_max, and what an
  // empty cache could not hold (kInvalid); nothing is taken then.
  Status submit(NewRequest request);

  // Releases everything at once; between plan() and commit() the release happens in commit().
  // False when the id is not known (any more).
  bool cancel(RequestId id);

  // The next step. REQUIRES: the previous plan was committed. The reference stays valid until the
  // next plan(). An empty plan with nothing waiting means there is nothing to do.
  const StepPlan& plan(Time now);

  // One result for each sequence of the plan, in its order. elapsed: the measured step time. A
  // request that has all its new_tokens_max is finished, whatever the result says.
  void commit(const std::vector<SequenceResult>& results, Time elapsed, Time now);

  // Draft tokens to try after the newest known token of a running request; replaces earlier ones.
  // REQUIRES: no plan waits for its commit. Unknown ids are ignored.
  void set_drafts(RequestId id, std::vector<std::int32_t> drafts);

  // Every known token (prompt, then output), also of those that the last commit or a cancel ended.
  // Valid until the next commit() or cancel(); empty for unknown ids.
  std::span<const std::int32_t> tokens(RequestId id) const;
  std::optional<RequestTrace> trace(RequestId id) const;  // of the same ones
  // Where a request stands: its sequence in the cache, -1 while it waits, and its leading tokens
  // that are computed.
  struct Standing {
    cache::SequenceId sequence = -1;
    std::int64_t computed = 0;
  };
  Standing standing(RequestId id) const;
  bool has_work() const;
  // The earliest deadline of all requests, so that an idle engine knows when to wake.
  Time next_deadline() const;
  SchedulerStats stats() const;
  // Aborts with the broken invariant.
  void check_invariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire::scheduler
