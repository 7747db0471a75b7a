// Small cases of the scheduler whose outcome can be worked out by hand.
#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

namespace quire::scheduler {
namespace {

cache::CacheConfig full_cache(std::int32_t pages) {
  cache::CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, pages}};
  return config;
}

NewRequest request(RequestId id, int prompt_tokens, int new_tokens) {
  NewRequest request;
  request.id = id;
  for (int i = 0; i < prompt_tokens; ++i) request.prompt.push_back(static_cast<int>(id) * 1000 + i);
  request.new_tokens_max = new_tokens;
  return request;
}

// Every sampling sequence gets the token 7.
std::vector<SequenceResult> sevens(const StepPlan& plan) {
  std::vector<SequenceResult> results;
  for (const ScheduledSequence& sequence : plan.sequences) {
    results.push_back({sequence.id, {}, false, false});
    if (sequence.samples) results.back().tokens = {7};
  }
  return results;
}

TEST(Scheduler, ChunkedPrefillThenDecodes) {
  cache::CacheManager cache(full_cache(16));
  SchedulerConfig config;
  config.debug_chunk_tokens = 3;
  Scheduler scheduler(config, cache);
  ASSERT_TRUE(scheduler.submit(request(1, 8, 3)));
  std::vector<std::vector<int>> seen;  // position, rows, samples
  while (scheduler.has_work()) {
    const StepPlan& plan = scheduler.plan(Time(0));
    ASSERT_EQ(plan.sequences.size(), 1u);
    const ScheduledSequence& it = plan.sequences[0];
    seen.push_back({static_cast<int>(it.position), it.token_count, it.samples ? 1 : 0});
    scheduler.commit(sevens(plan), std::chrono::milliseconds(1), Time(1));
    scheduler.check_invariants();
  }
  const std::vector<std::vector<int>> expected = {
      {0, 3, 0}, {3, 3, 0}, {6, 2, 1}, {8, 1, 1}, {9, 1, 1}};
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(scheduler.tokens(1).size(), 11u);
  EXPECT_EQ(scheduler.trace(1)->computed_tokens, 10);
  EXPECT_EQ(cache.stats().groups[0].referenced, 0);
}

TEST(Scheduler, SamePromptAgainRunsOneToken) {
  cache::CacheManager cache(full_cache(16));
  Scheduler scheduler(SchedulerConfig{}, cache);
  for (int round = 0; round < 2; ++round) {
    NewRequest it = request(1, 10, 1);
    it.id = static_cast<RequestId>(round + 1);
    ASSERT_TRUE(scheduler.submit(it));
    const StepPlan& plan = scheduler.plan(Time(0));
    ASSERT_EQ(plan.sequences.size(), 1u);
    EXPECT_EQ(plan.sequences[0].token_count, round == 0 ? 10 : 1);
    EXPECT_EQ(plan.page_copies.size(), round == 0 ? 0u : 1u);
    scheduler.commit(sevens(plan), std::chrono::milliseconds(1), Time(1));
    scheduler.check_invariants();
    EXPECT_FALSE(scheduler.has_work());
  }
  EXPECT_EQ(scheduler.trace(2)->cached_tokens, 9);
}

}  // namespace
}  // namespace quire::scheduler
