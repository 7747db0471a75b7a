// A simulated server: real scheduler and cache, fake model, virtual clock, seeded clients.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "scheduler/scheduler.h"
#include "tests/scheduler/shadow_memory.h"

namespace quire::scheduler::sim {

// Everything that differs from seed to seed.
struct Params {
  cache::CacheConfig cache;
  SchedulerConfig scheduler;
  int drafts = 0;            // proposed per decode
  double draft_right = 0.5;  // probability that a proposed token is right
  int vocab = 8;
  int prompt_max = 64, output_max = 16;
  int live_max = 12;    // clients that wait for an answer at once
  double submit = 0.3;  // per step
  double burst = 0.1;   // share of submissions that come several times at once
  double again = 0.5;   // share of prompts that begin as an earlier one did
  double cancel = 0.02, poison = 0.002, stop = 0.02, deadline = 0.05, reset = 0.002;
  double unshared = 0.05;  // share of requests that do not read or write the prefix cache
  int namespaces = 1, priorities = 1;
};
Params swarm_params(std::uint64_t seed);
std::string describe(const Params& params);

// How often the rare things happened: a run that never met them proves nothing.
struct Events {
  std::uint64_t steps = 0, rows = 0, submitted = 0, refused = 0, finished = 0, cancelled = 0,
                cancelled_in_step = 0, expired = 0, poisoned = 0, preempted = 0, page_copies = 0,
                state_copies = 0, state_saves = 0, drafts = 0, accepted = 0, rolled_back = 0,
                hit_tokens = 0, recomputed = 0, window_pages_freed = 0, resets = 0, idle_steps = 0,
                miss_cold = 0, miss_evicted = 0, miss_state = 0, miss_window = 0;
  void add(const Events& other);
};

class World {
 public:
  World(const Params& params, std::uint64_t seed);

  // One step of everything; with faults also cancels, deadlines, poison, resets and new requests.
  void step(bool faults);
  bool idle() const { return clients_.empty(); }
  // Rows that all live requests need if nothing is computed twice.
  std::int64_t work_left() const;
  // Pools empty of references, caches can be emptied, nothing lost.
  void check_end();

  const Events& events() const { return events_; }
  std::uint64_t digest() const { return digest_; }  // of every plan so far

 private:
  struct Client {
    RequestId id = 0;
    std::vector<std::int32_t> tokens;  // prompt and true output so far
    std::int64_t prompt_tokens = 0, output_max = 0;
    std::int64_t stop_after = 0;  // outputs
    std::vector<std::int32_t> drafts;
    std::int64_t drafts_at = 0;  // tokens when they were proposed
    bool cancelled = false;
    Time deadline = kNoDeadline;
    std::uint64_t salt = 0;
  };

  std::int32_t model(std::span<const std::int32_t> tokens, std::uint64_t salt) const;
  std::vector<std::int32_t> make_prompt();
  void submit();
  void submit_one(NewRequest request);
  void check_plan(const StepPlan& plan);
  void record(const StepPlan& plan);
  std::vector<SequenceResult> run_model(const StepPlan& plan, bool faults);
  SequenceResult result_of(const ScheduledSequence& sequence, Client& client, bool faults);
  void settle(const StepPlan& plan, const std::vector<SequenceResult>& results);
  void finish(const Client& client);
  void cancel_some(bool in_step);
  void propose_drafts();
  bool chance(double probability) { return rng_.uniform() < probability; }
  int below(int limit) { return static_cast<int>(rng_.below(static_cast<std::uint64_t>(limit))); }

  Params params_;
  Rng rng_;
  cache::CacheManager cache_;
  Scheduler scheduler_;
  ShadowMemory memory_;
  std::map<RequestId, Client> clients_;
  std::vector<std::vector<std::int32_t>> history_;  // earlier token lists, to begin alike
  RequestId next_id_ = 1;
  Time now_ = std::chrono::seconds(1);
  Events events_;
  std::uint64_t digest_ = 0;
};

}  // namespace quire::scheduler::sim
