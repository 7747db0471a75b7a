// Runs a scheduler step by step for small cases, with the shadow memory checking what rows see.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <vector>

#include "base/check.h"
#include "scheduler/scheduler.h"
#include "tests/scheduler/shadow_memory.h"

namespace quire::scheduler::sim {

class Driver {
 public:
  Driver(const SchedulerConfig& config, const cache::CacheConfig& cache_config)
      : cache(cache_config), scheduler(config, cache), memory_(cache_config) {}

  static std::vector<std::int32_t> prompt(std::int32_t first, int count) {
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(first + i);
    return tokens;
  }
  static NewRequest request(RequestId id, std::vector<std::int32_t> prompt, int new_tokens) {
    NewRequest request;
    request.id = id;
    request.prompt = std::move(prompt);
    request.new_tokens_max = new_tokens;
    return request;
  }
  void submit(NewRequest request) {
    request.arrival = now;
    const Status status = scheduler.submit(std::move(request));
    CHECK(status.has_value(), "{}", status.error().message);
  }

  // One step; its time is token_ms for each row plus step_ms.
  const StepPlan& step() {
    const StepPlan& plan = scheduler.plan(now);
    scheduler.check_invariants();
    memory_.carry_out(plan);
    std::vector<ShadowMemory::Truth> truths;
    for (const ScheduledSequence& it : plan.sequences) {
      const auto known = scheduler.tokens(it.id);
      const auto fixed = it.token_count - it.draft_count;
      truths.push_back({{known.begin(), known.begin() + it.position + fixed}, 0});
      auto& tokens = truths.back().tokens;
      tokens.insert(tokens.end(), it.tokens.begin() + fixed, it.tokens.end());
    }
    memory_.run(plan, truths);
    std::vector<SequenceResult> results;
    for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
      results.push_back(answer(plan.sequences[i], truths[i].tokens));
    }
    if (before_commit) before_commit();
    const Time elapsed = from_seconds((step_ms + token_ms * plan.token_count) / 1000);
    now += elapsed;
    scheduler.commit(results, elapsed, now);
    scheduler.check_invariants();
    return plan;
  }
  int run_all(int most = 100000) {
    int steps = 0;
    while (scheduler.has_work() && steps < most) {
      step();
      ++steps;
    }
    return steps;
  }

  static std::int32_t model(std::span<const std::int32_t> tokens) {
    std::uint64_t state = kEmptyState;
    for (const std::int32_t token : tokens) state = next_state(state, token);
    return static_cast<std::int32_t>(mix64(state) % 1000);
  }

  cache::CacheManager cache;
  Scheduler scheduler;
  Time now = std::chrono::seconds(1);
  double step_ms = 1, token_ms = 1;
  std::function<void()> before_commit;

 private:
  SequenceResult answer(const ScheduledSequence& it, const std::vector<std::int32_t>& truth) {
    SequenceResult result{it.id, {}, false, false};
    if (!it.samples) return result;
    const std::size_t first = truth.size() - static_cast<std::size_t>(it.draft_count);
    for (std::size_t end = first; end <= truth.size(); ++end) {
      result.tokens.push_back(model(std::span(truth).first(end)));
      if (end < truth.size() && truth[end] != result.tokens.back()) break;
    }
    return result;
  }

  ShadowMemory memory_;
};

}  // namespace quire::scheduler::sim
