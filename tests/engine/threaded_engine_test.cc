// The engine's public promises over a fake model: answers equal the direct loop of tests/sim,
// every choice ends exactly once whatever clients do, limits refuse with numbers, idling is free.
#include "engine/threaded_engine.h"

#include <gtest/gtest.h>
#include <time.h>

#include <thread>

#include "tests/engine/fake_engine.h"

namespace quire::engine {
namespace {

using namespace std::chrono_literals;

GenerateRequest simple_request(int prompt_tokens, int max_tokens, std::uint64_t seed) {
  GenerateRequest request;
  Rng rng(seed);
  for (int i = 0; i < prompt_tokens; ++i) {
    request.prompt.push_back(static_cast<std::int32_t>(rng.below(48)));
  }
  request.sampling.max_tokens = max_tokens;
  request.sampling.seed = seed;
  return request;
}

void expect_reference(const Collector& collector, const GenerateRequest& request) {
  const sim::FakeFunction function{sim::FakeModelConfig{}};
  for (int i = 0; i < request.n; ++i) {
    const Collector::Choice& choice = collector.choice(i);
    const sim::Answer expected = sim::reference_answer(function, request, i);
    EXPECT_EQ(choice.finishes, 1);
    EXPECT_EQ(choice.ids(), expected.tokens);
    EXPECT_EQ(choice.text, expected.text);
    EXPECT_EQ(static_cast<int>(choice.last.finish), static_cast<int>(expected.finish));
  }
}

TEST(ThreadedEngine, AnswersEqualTheDirectLoop) {
  const auto engine = make_fake_engine({});
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    GenerateRequest request = simple_request(1 + static_cast<int>(seed * 3), 30, seed);
    request.n = 1 + static_cast<int>(seed % 4);
    request.sampling.temperature = seed % 2 == 0 ? 0.8f : 0;
    request.sampling.stop = {"ab", "q"};
    Collector collector(request.n);
    ASSERT_TRUE(engine->submit(request, collector.sink()));
    ASSERT_TRUE(collector.wait());
    expect_reference(collector, request);
  }
}

TEST(ThreadedEngine, PredictedTextIsDraftMaterialAndNothingElse) {
  const auto engine = make_fake_engine({});
  const sim::FakeFunction function{sim::FakeModelConfig{}};
  GenerateRequest request = simple_request(20, 60, 5);
  request.sampling.ignore_eos = true;
  const sim::Answer expected = sim::reference_answer(function, request, 0);
  request.predicted = expected.tokens;
  request.predicted[20] = (request.predicted[20] + 1) % 48;  // one token wrong
  Collector collector(1);
  ASSERT_TRUE(engine->submit(request, collector.sink()));
  ASSERT_TRUE(collector.wait());
  EXPECT_EQ(collector.choice(0).ids(), expected.tokens);
  EXPECT_GT(collector.choice(0).last.usage.accepted_draft_tokens, 30);
}

TEST(ThreadedEngine, ClientsFromManyThreadsThatCancelAtAnyMoment) {
  FakeEngineConfig config;
  config.sequences_max = 4;
  config.forward_sleep = 200us;  // so that most cancellations find the request at work
  const auto engine = make_fake_engine(config);
  std::atomic<int> aborted{0}, complete{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      Rng rng(static_cast<std::uint64_t>(c));
      for (int i = 0; i < 60; ++i) {
        GenerateRequest request =
            simple_request(1 + static_cast<int>(rng.below(100)), 40, rng.bits());
        request.n = 1 + static_cast<int>(rng.below(3));
        request.sampling.ignore_eos = true;
        Collector collector(request.n);
        const auto id = engine->submit(request, collector.sink());
        ASSERT_TRUE(id);
        if (rng.below(2) == 0) {
          std::this_thread::sleep_for(std::chrono::microseconds(rng.below(1000)));
          engine->cancel(*id);
        }
        ASSERT_TRUE(collector.wait());
        bool whole = true;
        for (int k = 0; k < request.n; ++k) {
          EXPECT_EQ(collector.choice(k).finishes, 1);
          whole &= collector.choice(k).last.finish != FinishReason::kAbort;
        }
        if (whole) expect_reference(collector, request);
        ++(whole ? complete : aborted);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(aborted, 10);
  EXPECT_GT(complete, 10);
  ASSERT_TRUE(engine->drain(10s));
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_GT(stats.generation_tokens, 0u);
}

TEST(ThreadedEngine, LimitsRefuseWithNumbersAndTakeNothing) {
  FakeEngineConfig config;
  config.choices_max = 2;
  config.context_max = 100;
  config.forward_sleep = 2ms;
  const auto engine = make_fake_engine(config);
  const auto never = [](Output&&) { FAIL() << "a refused request called its sink"; };
  const auto refused = [&](GenerateRequest request) {
    const auto id = engine->submit(std::move(request), never);
    EXPECT_FALSE(id);
    return id ? Error{} : id.error();
  };
  EXPECT_EQ(refused(simple_request(0, 5, 1)).param, "prompt");
  GenerateRequest foreign = simple_request(3, 5, 1);
  foreign.prompt[1] = 48;
  EXPECT_EQ(refused(foreign).param, "prompt");
  const Error too_long = refused(simple_request(60, 41, 1));
  EXPECT_EQ(too_long.param, "max_tokens");
  EXPECT_NE(too_long.message.find("100"), std::string::npos) << too_long.message;
  GenerateRequest hot = simple_request(3, 5, 1);
  hot.sampling.temperature = -1;
  EXPECT_EQ(refused(hot).param, "temperature");
  GenerateRequest none = simple_request(3, 5, 1);
  none.n = 0;
  EXPECT_EQ(refused(none).param, "n");

  Collector first(2);
  GenerateRequest two = simple_request(5, 50, 1);
  two.n = 2;
  two.sampling.ignore_eos = true;
  ASSERT_TRUE(engine->submit(two, first.sink()));
  EXPECT_EQ(refused(simple_request(3, 5, 1)).code, ErrorCode::kOverloaded);
  ASSERT_TRUE(first.wait());
  Collector second(1);
  ASSERT_TRUE(engine->drain(10s));
  EXPECT_EQ(refused(simple_request(3, 5, 1)).code, ErrorCode::kOverloaded);
}

TEST(ThreadedEngine, DestructionEndsWhatIsLeft) {
  Collector collector(3);
  {
    FakeEngineConfig config;
    config.forward_sleep = 3ms;
    const auto engine = make_fake_engine(config);
    GenerateRequest request = simple_request(10, 300, 1);
    request.n = 3;
    request.sampling.ignore_eos = true;
    ASSERT_TRUE(engine->submit(request, collector.sink()));
    ASSERT_TRUE(collector.wait_for_tokens(3));
    EXPECT_FALSE(engine->drain(1ms));
    EXPECT_EQ(engine->requests().size(), 3u);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(collector.choice(i).finishes, 1);
    EXPECT_EQ(collector.choice(i).last.finish, FinishReason::kAbort);
  }
}

TEST(ThreadedEngine, TimeoutsEndRequestsWhereverTheyAre) {
  FakeEngineConfig config;
  config.sequences_max = 1;
  config.forward_sleep = 2ms;
  const auto engine = make_fake_engine(config);
  std::vector<std::unique_ptr<Collector>> collectors;
  for (int i = 0; i < 4; ++i) {
    GenerateRequest request = simple_request(5, 300, 1);
    request.sampling.ignore_eos = true;
    request.timeout = 60ms;
    collectors.push_back(std::make_unique<Collector>(1));
    ASSERT_TRUE(engine->submit(request, collectors.back()->sink()));
  }
  for (const auto& collector : collectors) {
    ASSERT_TRUE(collector->wait());
    EXPECT_EQ(collector->choice(0).last.finish, FinishReason::kTimeout);
    const Timings& times = collector->choice(0).last.timings;
    EXPECT_LT(times.finished - times.arrival, 2s);
  }
}

double process_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(ThreadedEngine, IdlingIsHealthyAndBurnsNoCpu) {
  const auto engine = make_fake_engine({});
  Collector collector(1);
  ASSERT_TRUE(engine->submit(simple_request(5, 5, 1), collector.sink()));
  ASSERT_TRUE(collector.wait());
  std::this_thread::sleep_for(20ms);
  const double before = process_cpu_seconds();
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(process_cpu_seconds() - before, 0.01);
  EXPECT_TRUE(engine->healthy(100ms));
}

TEST(ThreadedEngine, AStalledStepIsNotHealthy) {
  FakeEngineConfig config;
  config.forward_sleep = 400ms;
  const auto engine = make_fake_engine(config);
  Collector collector(1);
  GenerateRequest request = simple_request(5, 1, 1);
  ASSERT_TRUE(engine->submit(request, collector.sink()));
  std::this_thread::sleep_for(250ms);
  EXPECT_FALSE(engine->healthy(100ms));
  EXPECT_TRUE(engine->healthy(10s));
  ASSERT_TRUE(collector.wait());
}

TEST(ThreadedEngine, ResetFreesWhatIsOnlyCached) {
  const auto engine = make_fake_engine({});
  const GenerateRequest request = simple_request(100, 5, 1);
  for (const bool cold : {true, false, true}) {
    Collector collector(1);
    ASSERT_TRUE(engine->submit(request, collector.sink()));
    ASSERT_TRUE(collector.wait());
    EXPECT_EQ(collector.choice(0).last.usage.cached_tokens == 0, cold);
    if (!cold) {
      EXPECT_GT(engine->reset_cache().pages_freed, 0);
    }
  }
}

TEST(ThreadedEngine, SaltsShareNothing) {
  const auto engine = make_fake_engine({});
  GenerateRequest request = simple_request(100, 5, 1);
  for (const auto& [salt, hits] : {std::pair("", false), {"a", false}, {"a", true}, {"b", false}}) {
    request.cache_salt = salt;
    Collector collector(1);
    ASSERT_TRUE(engine->submit(request, collector.sink()));
    ASSERT_TRUE(collector.wait());
    EXPECT_EQ(collector.choice(0).last.usage.cached_tokens > 0, hits) << salt;
  }
}

}  // namespace
}  // namespace quire::engine
