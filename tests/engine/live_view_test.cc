// What an observer sees while an engine works: counts that must agree with each other and with the
// engine's own statistics, whatever the moment; and looking changes no answer.
#include "engine/live_view.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <set>

#include "engine/bandwidth.h"
#include "tests/engine/fake_engine.h"

namespace quire::engine {
namespace {

using namespace std::chrono_literals;

LiveView look(Engine& engine, const LiveViewWish& wish = {}) {
  std::promise<LiveView> seen;
  engine.observe(wish, [&](LiveView&& view) { seen.set_value(std::move(view)); });
  return seen.get_future().get();
}

GenerateRequest request_of(int prompt_tokens, int max_tokens, std::uint64_t seed) {
  GenerateRequest request;
  Rng rng(seed);
  for (int i = 0; i < prompt_tokens; ++i) {
    request.prompt.push_back(static_cast<std::int32_t>(rng.below(48)));
  }
  request.sampling.max_tokens = max_tokens;
  request.sampling.seed = seed;
  request.sampling.ignore_eos = true;
  return request;
}

void expect_consistent(const LiveView& view) {
  for (const cache::PoolView& pool : view.cache.groups) {
    EXPECT_EQ(pool.stats.referenced + pool.stats.cached + pool.stats.free, pool.stats.total);
    std::int64_t listed = 0;
    for (const cache::PageRun& run : pool.runs) listed += run.count;
    EXPECT_EQ(listed, pool.listed);
  }
  // Every page of a running request is held, and held pages are those of the running requests.
  std::set<std::int32_t> held;
  for (const RequestView& request : view.requests) {
    EXPECT_EQ(request.phase == RequestPhase::kWaiting,
              request.pages.empty() || request.computed_tokens == 0);
    for (const PageRange& range : request.pages) {
      for (std::int32_t i = 0; i < range.count; ++i) held.insert(range.first + i);
    }
  }
  if (!view.cache.groups.empty()) {
    EXPECT_LE(std::ssize(held), view.cache.groups[0].stats.referenced);
  }
  for (std::size_t i = 0; i + 1 < view.steps.size(); ++i) {
    EXPECT_EQ(view.steps[i].facts.number + 1, view.steps[i + 1].facts.number);
  }
  for (const StepRecord& step : view.steps) {
    std::int32_t decode = 0, prefill = 0, drafts = 0, accepted = 0;
    for (const StepShare& share : step.shares) {
      (share.prefill ? prefill : decode) += share.rows - share.drafts;
      drafts += share.drafts;
      accepted += share.accepted;
    }
    if (step.shares.empty()) continue;
    EXPECT_EQ(std::ssize(step.shares), step.facts.sequences);
    EXPECT_EQ(decode, step.facts.decode_rows);
    EXPECT_EQ(prefill, step.facts.prefill_rows);
    EXPECT_EQ(drafts, step.facts.draft_rows);
    EXPECT_EQ(accepted, step.facts.accepted_drafts);
  }
}

TEST(LiveView, OfAnIdleEngineIsEmpty) {
  const auto engine = make_fake_engine({});
  const LiveView view = look(*engine);
  EXPECT_TRUE(view.steps.empty());
  EXPECT_TRUE(view.requests.empty());
  EXPECT_TRUE(view.finished.empty());
  expect_consistent(view);
}

TEST(LiveView, AgreesWithItselfAtAnyMomentAndChangesNothing) {
  FakeEngineConfig config;
  config.forward_sleep = 300us;
  config.sequences_max = 3;
  const auto engine = make_fake_engine(config);
  std::vector<GenerateRequest> requests;
  std::vector<std::unique_ptr<Collector>> collectors;
  for (std::uint64_t i = 0; i < 8; ++i) {
    requests.push_back(request_of(10 + static_cast<int>(i) * 9, 40, i));
    collectors.push_back(std::make_unique<Collector>(1));
    ASSERT_TRUE(engine->submit(requests.back(), collectors.back()->sink()));
  }
  bool waited = false, ran = false;
  for (int i = 0; i < 200; ++i) {
    const LiveView view = look(*engine);
    expect_consistent(view);
    if (HasFailure() || view.requests_total == 0) break;
    for (const RequestView& request : view.requests) {
      waited |= request.phase == RequestPhase::kWaiting;
      ran |= request.phase == RequestPhase::kDecode && !request.pages.empty();
    }
  }
  EXPECT_TRUE(waited && ran);
  const sim::FakeFunction function{sim::FakeModelConfig{}};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(collectors[i]->wait());
    EXPECT_EQ(collectors[i]->choice(0).ids(),
              sim::reference_answer(function, requests[i], 0).tokens);
  }
}

TEST(LiveView, TellsEachStepAndEachFinishedRequestOnce) {
  const auto engine = make_fake_engine({});
  LiveViewWish wish;
  std::map<std::uint64_t, int> steps, finished;
  std::int64_t made = 0;
  for (std::uint64_t i = 0; i < 6; ++i) {
    Collector collector(1);
    ASSERT_TRUE(engine->submit(request_of(12, 20, i), collector.sink()));
    ASSERT_TRUE(collector.wait());
    const LiveView view = look(*engine, wish);
    for (const StepRecord& step : view.steps) ++steps[step.facts.number];
    for (const FinishedView& ended : view.finished) {
      ++finished[ended.serial];
      made += ended.usage.completion_tokens;
      EXPECT_EQ(ended.finish, FinishReason::kLength);
      EXPECT_LE(ended.timings.arrival, ended.timings.first_scheduled);
      EXPECT_LE(ended.timings.first_scheduled, ended.timings.first_token);
      EXPECT_LE(ended.timings.first_token, ended.timings.finished);
    }
    if (!view.steps.empty()) wish.steps_after = view.steps.back().facts.number;
    if (!view.finished.empty()) wish.finished_after = view.finished.back().serial;
  }
  EXPECT_EQ(finished.size(), 6u);
  EXPECT_EQ(made, 120);
  EXPECT_EQ(steps.size(), engine->stats().steps);
  for (const auto& [number, count] : steps) EXPECT_EQ(count, 1) << number;
}

TEST(LiveView, LimitsAreKept) {
  FakeEngineConfig config;
  config.forward_sleep = 1ms;
  std::vector<std::unique_ptr<Collector>> collectors;  // outlive the engine, which ends them
  const auto engine = make_fake_engine(config);
  for (std::uint64_t i = 0; i < 6; ++i) {
    collectors.push_back(std::make_unique<Collector>(1));
    ASSERT_TRUE(engine->submit(request_of(60, 100, i), collectors.back()->sink()));
  }
  LiveViewWish wish;
  wish.requests_max = 2;
  wish.ranges_max = 1;
  wish.shares_max = 3;
  LiveView view;
  do {
    view = look(*engine, wish);
  } while (view.steps.size() < 10);
  EXPECT_EQ(view.requests.size(), 2u);
  EXPECT_EQ(view.requests_total, 6);
  std::size_t ranges = 0, detailed = 0;
  for (const RequestView& request : view.requests) ranges += request.pages.size();
  for (const StepRecord& step : view.steps) detailed += step.shares.empty() ? 0 : 1;
  EXPECT_LE(ranges, 1u);
  EXPECT_EQ(detailed, 3u);
}

// A block that fits no first-level cache; any machine that runs the tests reads above 100 MB/s and
// below 10 TB/s.
TEST(Bandwidth, IsOfAPlausibleSize) {
  class Runner final : public ModelRunner {
   public:
    int vocab() const override { return 1; }
    void forward(const models::StepInput&, const models::StepMemory&, float*) override {}
  } runner;
  const double rate = measure_read_bandwidth(runner, std::size_t{8} << 20);
  EXPECT_GT(rate, 1e8);
  EXPECT_LT(rate, 1e13);
}

}  // namespace
}  // namespace quire::engine
