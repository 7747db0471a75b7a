// Right answers: times made up so that rates, percentiles and goodput follow by mental arithmetic.
#include <gtest/gtest.h>

#include <cmath>

#include "bench/load_test.h"

namespace quire::bench {
namespace {

// One token at 0.1 s, then one every `gap` seconds.
RequestRecord record(int tokens, double gap) {
  RequestRecord r;
  for (int i = 0; i < tokens; ++i) {
    r.chunk_times.push_back(0.1 + i * gap);
    r.chunk_tokens.push_back(1);
  }
  r.finished = r.chunk_times.back();
  r.prompt_tokens = 10;
  r.completion_tokens = tokens;
  return r;
}

TEST(LoadReport, RatesAndLatencies) {
  LoadOptions options;
  options.ttft_goal_ms = 200;
  options.itl_goal_ms = 50;
  const LoadReport report = make_report(options, {record(11, 0.01), record(11, 0.19)});
  EXPECT_EQ(report.completed, 2);
  EXPECT_EQ(report.failed, 0);
  EXPECT_NEAR(report.seconds, 2.0, 1e-9);
  EXPECT_NEAR(report.output_tokens_per_second, 22 / 2.0, 1e-9);
  EXPECT_NEAR(report.total_tokens_per_second, 42 / 2.0, 1e-9);
  EXPECT_NEAR(report.goodput_per_second, 1 / 2.0, 1e-9) << "the slow one misses the ITL goal";
  EXPECT_NEAR(report.ttft_ms.p50, 100, 1e-9);
  EXPECT_NEAR(report.itl_ms.mean, 100, 1e-6);
  EXPECT_NEAR(report.itl_max_ms, 190, 1e-6);
}

TEST(LoadReport, FailuresAreCountedAndNamed) {
  RequestRecord broken;
  broken.error = "status 500";
  const LoadReport report = make_report({}, {record(3, 0.01), broken, RequestRecord{}});
  EXPECT_EQ(report.completed, 1);
  EXPECT_EQ(report.failed, 2);
  EXPECT_EQ(report.errors, (std::vector<std::string>{"no token arrived", "status 500"}));
}

TEST(LoadReport, WithoutUsageTheChunksCount) {
  RequestRecord r = record(5, 0.1);
  r.completion_tokens = 0;
  const LoadReport report = make_report({}, {r});
  EXPECT_NEAR(report.output_tokens_per_second, 5 / 0.5, 1e-9);
}

TEST(Lengths, EqualWithoutSigmaLognormalWithIt) {
  LoadOptions options;
  options.input_tokens = 384;
  options.output_tokens = 96;
  EXPECT_EQ(lengths_of(options, 5).input_tokens, 384);
  options.length_sigma = 0.5;
  double input = 0, log_input = 0, log_square = 0;
  constexpr int kCount = 4000;
  for (int i = 0; i < kCount; ++i) {
    const RequestLengths lengths = lengths_of(options, i);
    ASSERT_GE(lengths.output_tokens, 1);
    const double log_length = std::log(lengths.input_tokens);
    input += lengths.input_tokens / double{kCount};
    log_input += log_length / kCount;
    log_square += log_length * log_length / kCount;
  }
  // Standard error of the mean: 384 * sqrt(e^0.25 - 1) / sqrt(4000) = 3.2; six of them.
  EXPECT_NEAR(input, 384, 20);
  EXPECT_NEAR(std::sqrt(log_square - log_input * log_input), 0.5, 0.04);
}

}  // namespace
}  // namespace quire::bench
