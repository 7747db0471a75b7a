// Who runs when: small cases whose outcome the stated policy fixes.
#include <gtest/gtest.h>

#include <map>

#include "scheduler/request_state.h"
#include "tests/scheduler/driver.h"

namespace quire::scheduler::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

cache::CacheConfig full_cache(int page_tokens, std::int32_t pages) {
  cache::CacheConfig config;
  config.page_tokens = page_tokens;
  config.groups = {{0, pages}};
  return config;
}

const ScheduledSequence* find(const StepPlan& plan, RequestId id) {
  for (const ScheduledSequence& it : plan.sequences) {
    if (it.id == id) return &it;
  }
  return nullptr;
}

// A token costs a millisecond here and the target is 20: while a stream decodes, a long prompt may
// not hold a step up much longer than that once the model has learned.
TEST(Policy, LongPromptDoesNotStallAStream) {
  SchedulerConfig config;
  config.step_target = milliseconds(20);
  config.prefill_tokens_min = 4;
  Driver driver(config, full_cache(16, 200));
  driver.submit(Driver::request(1, Driver::prompt(0, 8), 400));
  for (int i = 0; i < 20; ++i) driver.step();
  driver.submit(Driver::request(2, Driver::prompt(5000, 1500), 1));
  std::int64_t prefilled = 0;
  int steps = 0;
  while (prefilled < 1500) {
    const StepPlan& plan = driver.step();
    ASSERT_NE(find(plan, 1), nullptr);
    if (const auto* it = find(plan, 2)) prefilled += it->token_count;
    ++steps;
    EXPECT_TRUE(steps <= 10 || plan.token_count <= 24) << steps;
  }
  EXPECT_LT(steps, 110);
}

TEST(Policy, ShortPromptOvertakesALongOne) {
  SchedulerConfig config;
  config.step_target = milliseconds(40);
  Driver driver(config, full_cache(16, 400));
  driver.submit(Driver::request(1, Driver::prompt(0, 4000), 1));
  for (int i = 0; i < 10; ++i) driver.step();
  driver.submit(Driver::request(2, Driver::prompt(9000, 20), 1));
  int steps = 0;
  while (driver.scheduler.tokens(2).size() < 21) {
    driver.step();
    ASSERT_LT(++steps, 4);
  }
}

TEST(Policy, RunningPrefillsShareTheStep) {
  SchedulerConfig config;
  config.step_target = milliseconds(5);
  config.prefill_only_target = milliseconds(64);
  Driver driver(config, full_cache(16, 400));
  driver.submit(Driver::request(1, Driver::prompt(0, 2000), 1));
  driver.step();
  driver.submit(Driver::request(2, Driver::prompt(9000, 2000), 1));
  for (int i = 0; i < 12; ++i) driver.step();
  const StepPlan& plan = driver.step();
  ASSERT_EQ(plan.sequences.size(), 2u);
  EXPECT_NEAR(plan.sequences[0].token_count, plan.sequences[1].token_count, 4);
  EXPECT_NEAR(plan.token_count, 63, 6);
}

// The time of a step counts for those who decode: alone, a prefill takes the longer target, beside
// a stream the shorter. The driver's steps take 1 ms a row.
TEST(Policy, PrefillsAloneTakeTallerSteps) {
  SchedulerConfig config;
  config.step_target = milliseconds(20);
  config.prefill_only_target = milliseconds(200);
  Driver driver(config, full_cache(16, 400));
  driver.submit(Driver::request(1, Driver::prompt(0, 2000), 1));
  for (int i = 0; i < 3; ++i) driver.step();
  EXPECT_NEAR(driver.step().token_count, 199, 12);
  driver.submit(Driver::request(2, Driver::prompt(9000, 3), 500));
  for (int i = 0; i < 6; ++i) driver.step();
  EXPECT_NEAR(driver.step().token_count, 19, 4);
}

TEST(Policy, FloorHoldsWhereDecodesFillTheTarget) {
  SchedulerConfig config;
  config.step_target = milliseconds(5);
  config.prefill_tokens_min = 6;
  Driver driver(config, full_cache(16, 400));
  for (RequestId id = 1; id <= 10; ++id) {
    driver.submit(Driver::request(id, Driver::prompt(static_cast<int>(id) * 100, 3), 500));
  }
  while (driver.scheduler.stats().waiting > 0) driver.step();
  driver.submit(Driver::request(99, Driver::prompt(9000, 60), 1));
  for (int i = 0; i < 10; ++i) {
    const StepPlan& plan = driver.step();
    ASSERT_NE(find(plan, 99), nullptr);
    EXPECT_EQ(find(plan, 99)->token_count, 6);
    EXPECT_EQ(plan.sequences.size(), 11u);
  }
}

// Rank: arrival plus priority times ageing.
TEST(Policy, PriorityFirstButWaitingCounts) {
  SchedulerConfig config;
  config.sequences_max = 1;
  config.ageing = seconds(10);
  Driver driver(config, full_cache(16, 64));
  driver.token_ms = 0;
  std::vector<RequestId> order;
  const auto submit = [&](RequestId id, int priority, Time arrival) {
    NewRequest request = Driver::request(id, Driver::prompt(static_cast<int>(id) * 100, 4), 1);
    request.priority = priority;
    driver.now = arrival;
    driver.submit(request);
  };
  submit(1, 0, seconds(100));
  submit(2, 1, seconds(101));
  submit(3, 1, seconds(95));  // came 6 s before 2
  submit(4, -1, seconds(108));
  submit(5, 2, seconds(79));   // 79 + 20 < 100 + 0
  submit(6, 0, seconds(100));  // the same rank as 1 but for the order of submission
  while (driver.scheduler.has_work()) order.push_back(driver.step().sequences.at(0).id);
  EXPECT_EQ(order, (std::vector<RequestId>{4, 5, 1, 6, 3, 2}));
}

TEST(Policy, SmallOnesPassABigOneButNotForEver) {
  Driver driver(SchedulerConfig{}, full_cache(4, 16));
  // Three small ones of five pages each, which end one after another: whenever one ends, there is
  // room for another small one, never for the big one.
  RequestId next = 10;
  const auto submit_small = [&](int outputs) {
    const auto first = static_cast<std::int32_t>(next * 100);
    driver.submit(Driver::request(next++, Driver::prompt(first, 17), outputs));
  };
  for (const int outputs : {2, 3, 4}) submit_small(outputs);
  driver.step();
  driver.submit(Driver::request(2, Driver::prompt(0, 40), 1));  // ten pages and a spare one
  int steps = 0;
  while (driver.scheduler.trace(2)->first_scheduled == Time::zero()) {
    while (driver.scheduler.stats().waiting < 3) submit_small(4);
    driver.step();
    ASSERT_LT(++steps, 400);
  }
  EXPECT_GT(steps, 50);
}

// Oracle: the tokens that must be computed at least once; every other row would be waste.
TEST(Policy, SamePromptsInABurstAreComputedOnce) {
  for (const bool recurrent : {false, true}) {
    for (const int prompt : {4, 5, 31, 32, 33, 200}) {
      SchedulerConfig config;
      config.debug_chunk_tokens = 24;
      cache::CacheConfig cache = full_cache(4, 256);
      if (recurrent) cache.state_slots = 32;
      Driver driver(config, cache);
      for (RequestId id = 1; id <= 4; ++id) {
        driver.submit(Driver::request(id, Driver::prompt(0, prompt), 5));
      }
      std::int64_t rows = 0;
      while (driver.scheduler.has_work()) rows += driver.step().token_count;
      EXPECT_EQ(rows, prompt + 3 * 1 + 4 * 4) << prompt << " recurrent " << recurrent;
    }
  }
}

TEST(Policy, CommonBeginningsInABurstAreComputedOnce) {
  for (const bool recurrent : {false, true}) {
    SchedulerConfig config;
    config.debug_chunk_tokens = 24;
    cache::CacheConfig cache = full_cache(4, 256);
    if (recurrent) {
      cache.state_slots = 64;
      cache.state_stride_tokens = 10000;
    }
    Driver driver(config, cache);
    for (RequestId id = 1; id <= 4; ++id) {
      auto prompt = Driver::prompt(0, 102);
      const auto own = Driver::prompt(static_cast<int>(id) * 1000, 20);
      prompt.insert(prompt.end(), own.begin(), own.end());
      driver.submit(Driver::request(id, prompt, 1));
    }
    std::int64_t rows = 0;
    while (driver.scheduler.has_work()) rows += driver.step().token_count;
    EXPECT_LE(rows, 102 + 4 * 20 + 3 * 2) << recurrent;
  }
}

TEST(Policy, TheLeastUrgentJuniorMakesWay) {
  SchedulerConfig config;
  config.ageing = milliseconds(0);  // rank is arrival alone
  Driver driver(config, full_cache(4, 8));
  const int priorities[] = {0, 1, 5, 1};
  for (RequestId id = 1; id <= 4; ++id) {
    NewRequest request = Driver::request(id, Driver::prompt(static_cast<int>(id) * 100, 3), 30);
    request.priority = priorities[id - 1];
    if (id == 3) request.new_tokens_max = 20;
    driver.submit(request);
  }
  std::vector<RequestId> preempted;
  while (preempted.empty()) {
    const StepPlan& plan = driver.step();
    preempted.insert(preempted.end(), plan.preempted.begin(), plan.preempted.end());
  }
  EXPECT_EQ(preempted, std::vector<RequestId>{3});
  driver.run_all();
  EXPECT_EQ(driver.scheduler.stats().preemptions > 0, true);
}

TEST(Policy, TheSeniorNeverLosesItsPages) {
  Driver driver(SchedulerConfig{}, full_cache(4, 12));
  for (RequestId id = 1; id <= 6; ++id) {
    driver.submit(Driver::request(id, Driver::prompt(static_cast<int>(id) * 100, 5), 35));
  }
  RequestId senior = 1;
  while (driver.scheduler.has_work()) {
    const StepPlan& plan = driver.step();
    for (const RequestId id : plan.preempted) EXPECT_NE(id, senior);
    while (senior <= 6 && driver.scheduler.tokens(senior).size() == 40) ++senior;
    ASSERT_LT(plan.number, 1000u);
  }
  EXPECT_GT(driver.scheduler.stats().preemptions, 0u);
}

// The senior is slow and the least urgent: a junior that decodes would like its pages best.
TEST(Policy, TheSeniorIsSafeWhileItIsPrefilled) {
  SchedulerConfig config;
  config.ageing = milliseconds(0);
  config.debug_chunk_tokens = 1;
  Driver driver(config, full_cache(4, 11));
  NewRequest senior = Driver::request(1, Driver::prompt(0, 30), 2);
  senior.priority = 5;
  driver.submit(senior);
  // Two steps behind, so that it is the first to need a page that is not there.
  for (int i = 0; i < 2; ++i) driver.step();
  driver.submit(Driver::request(2, Driver::prompt(500, 3), 40));
  std::vector<RequestId> preempted;
  while (driver.scheduler.has_work()) {
    const StepPlan& plan = driver.step();
    preempted.insert(preempted.end(), plan.preempted.begin(), plan.preempted.end());
  }
  EXPECT_EQ(preempted, std::vector<RequestId>{2});
}

// Room for the whole prompt of a running request is not given to the next one.
TEST(Policy, PromptsThatDoNotFitTogetherRunInTurn) {
  SchedulerConfig config;
  config.debug_chunk_tokens = 8;
  Driver driver(config, full_cache(4, 16));
  for (RequestId id = 1; id <= 3; ++id) {
    driver.submit(Driver::request(id, Driver::prompt(static_cast<int>(id) * 100, 40), 2));
  }
  driver.run_all();
  EXPECT_EQ(driver.scheduler.stats().preemptions, 0u);
}

TEST(Policy, DeadlinesEndRequestsWhereverTheyStand) {
  SchedulerConfig config;
  config.sequences_max = 1;
  Driver driver(config, full_cache(4, 16));
  NewRequest running = Driver::request(1, Driver::prompt(0, 4), 50);
  running.deadline = driver.now + milliseconds(30);
  NewRequest waiting = Driver::request(2, Driver::prompt(100, 4), 50);
  waiting.deadline = driver.now + milliseconds(10);
  driver.submit(running);
  driver.submit(waiting);
  EXPECT_EQ(driver.scheduler.next_deadline(), waiting.deadline);
  std::map<RequestId, Time> expired;
  while (driver.scheduler.has_work()) {
    const Time now = driver.now;
    for (const RequestId id : driver.step().expired) expired[id] = now;
  }
  EXPECT_GE(expired.at(2), waiting.deadline);
  EXPECT_LT(expired.at(2), waiting.deadline + milliseconds(6));
  EXPECT_GE(expired.at(1), running.deadline);
  EXPECT_LT(expired.at(1), running.deadline + milliseconds(6));
  EXPECT_EQ(driver.cache.stats().groups[0].referenced, 0);
  EXPECT_EQ(driver.scheduler.next_deadline(), kNoDeadline);
}

TEST(Policy, RefusalsNameTheLimit) {
  SchedulerConfig config;
  config.waiting_max = 2;
  config.waiting_tokens_max = 50;
  config.context_max = 100;
  Driver driver(config, full_cache(4, 16));
  const auto refused = [&](int prompt, std::int64_t outputs) {
    const Status status = driver.scheduler.submit(
        Driver::request(77, Driver::prompt(0, prompt), static_cast<int>(outputs)));
    EXPECT_FALSE(status.has_value());
    return status.has_value() ? Error{} : status.error();
  };
  EXPECT_EQ(refused(0, 1).code, ErrorCode::kInvalid);
  EXPECT_EQ(refused(90, 11).code, ErrorCode::kInvalid);
  EXPECT_NE(refused(90, 11).message.find("101"), std::string::npos);
  EXPECT_EQ(refused(60, 6).code, ErrorCode::kInvalid);  // 65 tokens are computed, 64 fit
  EXPECT_EQ(refused(60, 6).message.find("context"), std::string::npos);
  EXPECT_EQ(refused(51, 1).code, ErrorCode::kOverloaded);
  driver.submit(Driver::request(1, Driver::prompt(0, 5), 1));
  driver.submit(Driver::request(2, Driver::prompt(0, 5), 1));
  EXPECT_EQ(refused(5, 1).code, ErrorCode::kOverloaded);
  EXPECT_EQ(driver.scheduler.stats().waiting, 2);
  driver.run_all();
  // What fits exactly is served.
  driver.submit(Driver::request(3, Driver::prompt(500, 50), 15));
  driver.run_all();
  EXPECT_EQ(driver.scheduler.tokens(3).size(), 65u);
}

TEST(Policy, CancelInsideAStepReleasesWithIt) {
  Driver driver(SchedulerConfig{}, full_cache(4, 16));
  driver.submit(Driver::request(1, Driver::prompt(0, 9), 50));
  driver.step();
  driver.before_commit = [&] {
    EXPECT_TRUE(driver.scheduler.cancel(1));
    EXPECT_FALSE(driver.scheduler.cancel(1));
    EXPECT_GT(driver.cache.stats().groups[0].referenced, 0);
  };
  driver.step();
  EXPECT_EQ(driver.cache.stats().groups[0].referenced, 0);
  EXPECT_FALSE(driver.scheduler.has_work());
  EXPECT_EQ(driver.scheduler.tokens(1).size(), 10u);  // what the step sampled is not part of it
  EXPECT_FALSE(driver.scheduler.cancel(1));
  EXPECT_FALSE(driver.scheduler.cancel(12345));
}

TEST(Policy, DraftsShrinkBeforeAnyoneIsPreempted) {
  Driver driver(SchedulerConfig{}, full_cache(4, 4));
  driver.submit(Driver::request(1, Driver::prompt(0, 3), 10));
  driver.submit(Driver::request(2, Driver::prompt(100, 3), 4));
  driver.step();
  driver.step();  // both at four computed tokens: the next goes into a new page
  for (const RequestId id : {1, 2}) driver.scheduler.set_drafts(id, {1, 2, 3, 4, 5, 6});
  const StepPlan& plan = driver.step();
  EXPECT_TRUE(plan.preempted.empty());
  ASSERT_EQ(plan.sequences.size(), 2u);
  EXPECT_EQ(plan.sequences[0].draft_count, 3);  // to the end of its page
  EXPECT_EQ(plan.sequences[1].draft_count, 1);  // two tokens are left to sample
}

TEST(Policy, ForcedPreemptionIsExactAndChangesNothing) {
  for (const int every : {1, 2, 5}) {
    SchedulerConfig config;
    config.debug_preempt_every = every;
    config.debug_chunk_tokens = 7;
    cache::CacheConfig cache = full_cache(4, 64);
    cache.prefix_cache = every != 2;
    Driver driver(config, cache);
    driver.submit(Driver::request(1, Driver::prompt(0, 20), 12));
    std::uint64_t preempted = 0;
    while (driver.scheduler.has_work()) {
      const StepPlan& plan = driver.step();
      preempted += plan.preempted.size();
      const bool due = plan.number % static_cast<std::uint64_t>(every) == 0;
      EXPECT_LE(plan.preempted.size(), due ? 1u : 0u);
      ASSERT_LT(plan.number, 2000u);
    }
    EXPECT_GE(preempted, 2u) << every;
    const auto tokens = driver.scheduler.tokens(1);
    ASSERT_EQ(tokens.size(), 32u);
    for (std::size_t i = 20; i < 32; ++i) {
      EXPECT_EQ(tokens[i], Driver::model(tokens.first(i))) << i;
    }
  }
}

TEST(RequestDeath, IllegalTransitionsAbort) {
  Request request;
  EXPECT_DEATH(request.enter(RequestState::kFinished), "waiting to finished");
  request.enter(RequestState::kCancelled);
  EXPECT_DEATH(request.enter(RequestState::kWaiting), "cancelled to waiting");
}

}  // namespace
}  // namespace quire::scheduler::sim
