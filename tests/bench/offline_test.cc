// Right answers: windows from times made up by hand; the engine rounds are checked for what must
// hold on any machine (counts, shares, order of times), with the demo model.
#include "bench/offline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "models/load/json.h"

namespace quire::bench {
namespace {

SequenceRecord record(double first, double gap, int tokens) {
  SequenceRecord r;
  for (int i = 0; i < tokens; ++i) r.token_times.push_back(first + i * gap);
  return r;
}

TEST(DecodeWindow, SpansFromLastFirstTokenToFirstLastToken) {
  // The second starts at 0.2 s, the first ends at 1.0 s: 8 tokens of each arrive in between.
  const auto window = decode_window({record(0.0, 0.1, 11), record(0.2, 0.1, 11)});
  ASSERT_TRUE(window.has_value()) << window.error().message;
  EXPECT_NEAR(window->seconds, 0.8, 1e-9);
  EXPECT_NEAR(static_cast<double>(window->tokens), 16, 1);
  EXPECT_NEAR(distribution_of(window->gap_ms).p50, 100, 1e-6);
}

TEST(DecodeWindow, RefusesSequencesThatDidNotOverlap) {
  EXPECT_FALSE(decode_window({record(0.0, 0.1, 5), record(1.0, 0.1, 5)}).has_value());
}

TEST(Prompts, AreReproducibleDistinctAndShareWhatWasAsked) {
  OfflineOptions options;
  options.input_tokens = 64;
  options.shared_prefix_tokens = 48;
  const auto a = make_prompt_ids(options, 0, 0, 5000), b = make_prompt_ids(options, 0, 1, 5000);
  EXPECT_EQ(a, make_prompt_ids(options, 0, 0, 5000));
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 48, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 48, a.end(), b.begin() + 48));
  EXPECT_NE(a, make_prompt_ids(options, 1, 0, 5000)) << "a round must not hit the last one's cache";
  for (const std::int32_t id : a) EXPECT_TRUE(id >= 0 && id < 5000 - 272) << id;
  options.shared_prefix_tokens = 0;
  options.repeat_tokens = 16;
  const auto repeated = make_prompt_ids(options, 0, 0, 5000);
  EXPECT_TRUE(std::equal(repeated.begin() + 16, repeated.end(), repeated.begin()));
}

class DemoRounds : public testing::Test {
 protected:
  static std::unique_ptr<engine::Engine> make_engine() {
    engine::EngineConfig config;
    config.model = std::string(QUIRE_SOURCE_DIR) + "/demo";
    config.kv_cache_memory = "64M";
    config.speculation = "none";
    auto engine = engine::create_engine(config);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return engine ? std::move(*engine) : nullptr;
  }
};

TEST_F(DemoRounds, LatencyDecodesFromThePrefixCache) {
  const auto engine = make_engine();
  OfflineOptions options;
  options.sequences = 3;
  options.input_tokens = 64;
  options.output_tokens = 16;
  const auto round = latency_round(*engine, options, 0);
  ASSERT_TRUE(round.has_value()) << round.error().message;
  EXPECT_GT(round->prefill_tokens_per_second, 0);
  EXPECT_GT(round->decode_tokens_per_second, 0);
  EXPECT_GT(round->cached_share, 0.7) << "the second batch finds the first one's pages";
  // The last step's counters come after its outputs.
  const SteadyClock clock;
  const Time end = clock.now() + std::chrono::seconds(10);
  while (engine->stats().generation_tokens < 51 && clock.now() < end) std::this_thread::yield();
  EXPECT_EQ(engine->stats().generation_tokens, 3u * (1 + 16));
}

TEST_F(DemoRounds, ThroughputCountsEveryToken) {
  const auto engine = make_engine();
  OfflineOptions options;
  options.sequences = 5;
  options.input_tokens = 32;
  options.output_tokens = 8;
  const auto round = throughput_round(*engine, options, 0);
  ASSERT_TRUE(round.has_value()) << round.error().message;
  EXPECT_NEAR(round->output_tokens_per_second * round->seconds, 5 * 8, 1e-6);
  EXPECT_NEAR(round->total_tokens_per_second * round->seconds, 5 * (32 + 8), 1e-6);
  EXPECT_LE(round->ttft_ms.max, 1e3 * round->seconds);
}

TEST_F(DemoRounds, ARefusedRequestIsAnError) {
  const auto engine = make_engine();
  const auto records = run_batch(*engine, {{1, 2, 3}, {}}, 4);
  ASSERT_FALSE(records.has_value());
  EXPECT_THAT(records.error().message, testing::HasSubstr("prompt"));
}

TEST(OfflineReport, JsonHasMediansAndRounds) {
  OfflineReport report;
  report.command = "latency";
  for (const double rate : {10.0, 30.0, 20.0}) {
    OfflineRound round;
    round.decode_tokens_per_second = rate;
    report.rounds.push_back(round);
  }
  const auto json = parse_json(report_json({}, report));
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_EQ((*json)["decode_tokens_per_second"], 20.0);
  EXPECT_EQ((*json)["rounds"].size(), 3u);
}

}  // namespace
}  // namespace quire::bench
