// The receipt must account for every millisecond and every token: its parts are added up.
#include <gtest/gtest.h>

#include "tests/server/test_server.h"

namespace quire::server {
namespace {

void expect_sums(const Json& receipt, const Json& usage) {
  double parts = 0;
  for (const char* part : {"prepare_ms", "queued_ms", "prefill_ms", "decode_ms", "deliver_ms"}) {
    EXPECT_GE(receipt[part].get<double>(), 0) << part;
    parts += receipt[part].get<double>();
  }
  EXPECT_NEAR(parts, receipt["total_ms"].get<double>(), 1e-6);
  const Json& cache = receipt["cache"];
  EXPECT_EQ(cache["prompt_tokens"], usage["prompt_tokens"]);
  std::int64_t missed = 0;
  for (const auto& [reason, tokens] : cache["missed_by_reason"].items()) {
    EXPECT_GE(tokens.get<std::int64_t>(), 0) << reason;
    missed += tokens.get<std::int64_t>();
  }
  EXPECT_EQ(missed, cache["missed_tokens"].get<std::int64_t>());
  EXPECT_EQ(missed + cache["hit_tokens"].get<std::int64_t>(),
            cache["prompt_tokens"].get<std::int64_t>());
  EXPECT_EQ(receipt["generated_tokens"], usage["completion_tokens"]);
}

TEST(Receipt, PartsSumToTheWhole) {
  TestOptions options = test_options();
  options.engine.step = from_seconds(0.002);
  TestServer server(options);
  const Time begin = SteadyClock().now();
  const Json whole =
      post(server.port(), "/v1/completions",
           {{"prompt", {"abcdef", "xyz"}}, {"n", 2}, {"max_tokens", 20}, {"receipt", true}})
          .json();
  const double wall_ms = to_seconds(SteadyClock().now() - begin) * 1e3;
  expect_sums(whole["receipt"], whole["usage"]);
  EXPECT_LE(whole["receipt"]["total_ms"].get<double>(), wall_ms);
  EXPECT_GE(whole["receipt"]["total_ms"].get<double>(), 20 * 2 * 0.9) << "20 steps of 2 ms";
  const Answer stream = post(server.port(), "/v1/completions",
                             {{"prompt", "abc"},
                              {"max_tokens", 5},
                              {"receipt", true},
                              {"stream", true},
                              {"stream_options", {{"include_usage", true}}}});
  const auto events = stream.events();
  ASSERT_GE(events.size(), 2u);
  const Json last = parse_json(events[events.size() - 2]).value();
  expect_sums(last["receipt"], last["usage"]);
}

TEST(Receipt, OnlyWhereAskedFor) {
  TestServer quiet;
  EXPECT_FALSE(post(quiet.port(), "/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}})
                   .json()
                   .contains("receipt"));
  TestOptions options = test_options();
  options.settings.receipts = true;
  TestServer server(options);
  EXPECT_TRUE(post(server.port(), "/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}})
                  .json()
                  .contains("receipt"));
}

}  // namespace
}  // namespace quire::server
