// Metrics as a scraper sees them: the counts must equal what the FakeEngine was asked to do.
#include "server/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "server/token_text.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

// The value of the series whose line begins so; NaN when there is none.
double value_of(const std::string& text, const std::string& name, const std::string& label = "") {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(name + "{") || line.find(label) == std::string::npos) continue;
    return std::stod(line.substr(line.rfind(' ') + 1));
  }
  return std::nan("");
}

TEST(Metrics, CountsAreWhatWasDone) {
  TestServer server;
  const int port = server.port();
  post(port, "/v1/completions", {{"prompt", "abcd"}, {"max_tokens", 6}, {"n", 2}});
  post(port, "/v1/completions", {{"prompt", "ab"}, {"max_tokens", 3}, {"zzzzz", 1}});
  const Answer answer = get(port, "/metrics");
  EXPECT_EQ(answer.field("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  const std::string& text = answer.body;
  EXPECT_EQ(value_of(text, "vllm:prompt_tokens_total"), 6);
  EXPECT_EQ(value_of(text, "vllm:generation_tokens_total"), 15);
  EXPECT_EQ(value_of(text, "vllm:request_success_total", "\"length\""), 3);
  EXPECT_EQ(value_of(text, "vllm:request_success_total", "\"abort\""), 0);
  EXPECT_EQ(value_of(text, "vllm:time_to_first_token_seconds_count"), 3);
  EXPECT_EQ(value_of(text, "vllm:inter_token_latency_seconds_count"), 12);
  EXPECT_EQ(value_of(text, "vllm:e2e_request_latency_seconds_count"), 3);
  EXPECT_EQ(value_of(text, "vllm:request_prompt_tokens_count"), 2) << "once per prompt";
  EXPECT_EQ(value_of(text, "vllm:request_prompt_tokens_sum"), 6);
  EXPECT_EQ(value_of(text, "vllm:request_generation_tokens_sum"), 15);
  EXPECT_EQ(value_of(text, "vllm:request_params_n_sum"), 3);
  EXPECT_EQ(value_of(text, "vllm:num_requests_running"), 0);
  EXPECT_EQ(value_of(text, "vllm:num_requests_waiting"), 0);
  EXPECT_EQ(value_of(text, "vllm:kv_cache_usage_perc"), 0);
  EXPECT_EQ(value_of(text, "quire:request_unknown_fields_total"), 1);
  EXPECT_EQ(value_of(text, "http_requests_total", "handler=\"/v1/completions\""), 2);
  EXPECT_NE(text.find("model_name=\"fake\""), std::string::npos);
  EXPECT_NE(text.find("vllm:time_to_first_token_seconds_bucket"), std::string::npos);
}

TEST(Metrics, AHangUpCountsAsAbort) {
  TestOptions options = test_options();
  options.engine.context_max = 100'000;
  TestServer server(options);
  {
    Client client(server.port());
    client.post("/v1/completions", {{"prompt", "a"}, {"stream", true}});
    ASSERT_TRUE(client.read_some());
  }
  ASSERT_TRUE(eventually([&] {
    return value_of(get(server.port(), "/metrics").body, "vllm:request_success_total",
                    "\"abort\"") == 1;
  }));
  const std::string text = get(server.port(), "/metrics").body;
  EXPECT_EQ(value_of(text, "vllm:e2e_request_latency_seconds_count"), 1);
  EXPECT_EQ(value_of(text, "vllm:num_requests_running"), 0);
  EXPECT_EQ(value_of(text, "vllm:request_generation_tokens_sum"),
            static_cast<double>(server.engine().tokens_made()));
}

TEST(Metrics, GapsAreSharedEvenly) {
  Metrics metrics("m", 100);
  metrics.observe_inter_token(0.6, 3);
  const std::string text = metrics.scrape(nullptr);
  EXPECT_EQ(value_of(text, "vllm:inter_token_latency_seconds_count"), 3);
  EXPECT_NEAR(value_of(text, "vllm:inter_token_latency_seconds_sum"), 0.6, 1e-9);
  EXPECT_EQ(value_of(text, "vllm:inter_token_latency_seconds_bucket", "le=\"0.2\""), 3);
  EXPECT_EQ(value_of(text, "vllm:inter_token_latency_seconds_bucket", "le=\"0.15\""), 0);
}

TEST(Metrics, ClientsMakeNoLabels) {
  TestServer server;
  get(server.port(), "/secret-path-1");
  Client client(server.port());
  client.request("BREW", "/health");
  client.read();
  post(server.port(), "/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}, {"user", "marker"}});
  const std::string text = get(server.port(), "/metrics").body;
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(text.find("BREW"), std::string::npos);
  EXPECT_EQ(text.find("marker"), std::string::npos);
}

// A byte above 0x7f is no character of its own: its bytes come from the vocabulary's spelling.
TEST(TokenText, PiecesOfCharacters) {
  const ByteTokenizer tokenizer;
  const TokenText letter = token_text(tokenizer, 'a');
  EXPECT_EQ(letter.text, "a");
  EXPECT_EQ(completion_token_text(letter), "a");
  const TokenText piece = token_text(tokenizer, 0xe2);
  EXPECT_EQ(piece.text, "\xEF\xBF\xBD");
  EXPECT_EQ(piece.bytes, "\xe2");
  EXPECT_EQ(completion_token_text(piece), "bytes:\\xe2");
}

}  // namespace
}  // namespace quire::server
