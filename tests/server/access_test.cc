// Keys, origins, hosts and the queue's limits. The right answers are RFC 9110's and the Fetch
// standard's statuses and fields, and a Retry-After is held against the time it really took.
#include "server/access.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "server/finish_rate.h"
#include "server/prompt_bound.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

struct GuardedServer {
  explicit GuardedServer(const AccessRules& rules) { server.service().guard(rules); }
  Answer ask(std::string_view path, std::string_view fields, std::string_view method = "GET") {
    Client client(server.port());
    client.request(method, path, fields);
    return client.read(method != "HEAD");
  }
  TestServer server;
};

AccessRules rules_with_keys() {
  AccessRules rules;
  EXPECT_TRUE(rules.keys.add("first-key"));
  EXPECT_TRUE(rules.keys.add("second-key"));
  return rules;
}

TEST(Access, EveryRouteButProbesNeedsAKey) {
  GuardedServer guarded(rules_with_keys());
  for (const char* path : {"/livez", "/health", "/readyz"}) {
    EXPECT_EQ(guarded.ask(path, "").status, 200) << path;
  }
  for (const char* path : {"/v1/models", "/metrics", "/version", "/props", "/slots", "/nothing",
                           "/v1/chat/completions", "/tokenize"}) {
    const Answer answer = guarded.ask(path, "");
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.field("WWW-Authenticate"), "Bearer");
    EXPECT_EQ(answer.json()["error"]["code"], "invalid_api_key");
  }
}

TEST(Access, KeysAsBearerOrXApiKey) {
  GuardedServer guarded(rules_with_keys());
  const auto status = [&](std::string_view fields) {
    return guarded.ask("/v1/models", fields).status;
  };
  EXPECT_EQ(status("Authorization: Bearer first-key\r\n"), 200);
  EXPECT_EQ(status("authorization: bearer second-key\r\n"), 200);
  EXPECT_EQ(status("x-api-key: second-key\r\n"), 200);
  for (const char* wrong : {"", "first-ke", "first-key2", "FIRST-KEY", "Bearer first-key"}) {
    EXPECT_EQ(status(fmt::format("Authorization: Bearer {}\r\n", wrong)), 401) << wrong;
    EXPECT_EQ(status(fmt::format("x-api-key: {}\r\n", wrong)), 401) << wrong;
  }
  EXPECT_EQ(status("Authorization: Basic first-key\r\n"), 401);
}

TEST(Access, KeysFromAFile) {
  const std::string path = testing::TempDir() + "/quire_keys";
  std::ofstream(path) << "# team\n\n  alpha  \nbeta\r\n";
  ApiKeys keys;
  ASSERT_TRUE(keys.add_file(path));
  EXPECT_EQ(keys.size(), 2u);
  EXPECT_TRUE(keys.accepts("alpha"));
  EXPECT_TRUE(keys.accepts("beta"));
  EXPECT_FALSE(keys.accepts("# team"));
  std::ofstream(path) << "# none\n";
  EXPECT_FALSE(ApiKeys().add_file(path)) << "a file without keys must not open the server";
  EXPECT_FALSE(ApiKeys().add_file(path + ".missing"));
  EXPECT_FALSE(ApiKeys().add(std::string(513, 'k')));
  std::remove(path.c_str());
}

TEST(Access, BrowsersMayAskFromAllowedOriginsOnly) {
  AccessRules rules = rules_with_keys();
  rules.origins = {"https://chat.example"};
  GuardedServer guarded(rules);
  const std::string_view ask =
      "Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization, x-stainless-os\r\n";
  const Answer preflight = guarded.ask("/v1/chat/completions", ask, "OPTIONS");
  EXPECT_EQ(preflight.status, 204) << "a preflight carries no key";
  EXPECT_EQ(preflight.field("Access-Control-Allow-Origin"), "https://chat.example");
  EXPECT_EQ(preflight.field("Access-Control-Allow-Headers"), "authorization, x-stainless-os");
  EXPECT_EQ(preflight.field("Vary"), "Origin");

  const Answer allowed =
      guarded.ask("/v1/models", "Origin: https://chat.example\r\nx-api-key: first-key\r\n");
  EXPECT_EQ(allowed.status, 200);
  EXPECT_EQ(allowed.field("Access-Control-Allow-Origin"), "https://chat.example");
  const Answer refused = guarded.ask("/v1/models", "Origin: https://chat.example\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.field("Access-Control-Allow-Origin"), "https://chat.example")
      << "without it the page could not read the error";
  const Answer foreign =
      guarded.ask("/v1/models", "Origin: https://evil.example\r\nx-api-key: first-key\r\n");
  EXPECT_EQ(foreign.field("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(foreign.field("Vary"), "Origin");
}

TEST(Access, StreamsCarryTheOriginToo) {
  AccessRules rules;
  rules.origins = {"*"};
  GuardedServer guarded(rules);
  Client client(guarded.server.port());
  client.post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 2}, {"stream", true}},
              "Origin: http://x\r\n");
  const Answer answer = client.read();
  EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), "http://x");
  EXPECT_EQ(answer.events().back(), "[DONE]");
}

TEST(Access, OnlyKnownHostsAreAnswered) {
  AccessRules rules;
  rules.hosts = {"localhost", "::1"};
  GuardedServer guarded(rules);
  const auto status = [&](std::string_view host) {
    Client client(guarded.server.port());
    client.send(fmt::format("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", host));
    return client.read().status;
  };
  EXPECT_EQ(status("localhost"), 200);
  EXPECT_EQ(status("LocalHost:8000"), 200);
  EXPECT_EQ(status("[::1]:80"), 200);
  EXPECT_EQ(status("evil.example"), 403);
  EXPECT_EQ(status("localhost.evil.example"), 403);
}

TEST(FinishRate, IsTheRateOfTheLastFinishes) {
  FinishRate rate;
  EXPECT_LT(rate.seconds_until({1, 0}, Time::zero()), 0) << "nothing is known yet";
  for (int i = 0; i < 100; ++i) rate.observe(50, from_seconds(0.5 * i));
  const Time now = from_seconds(0.5 * 100);
  // 64 finishes are kept, half a second apart: two a second, a hundred tokens a second.
  EXPECT_NEAR(rate.seconds_until({4, 0}, now), 2, 0.01);
  EXPECT_NEAR(rate.seconds_until({1, 1000}, now), 10, 0.1);
  EXPECT_LT(rate.seconds_until({1, 0}, now + from_seconds(1000)), 0) << "what is old is forgotten";
  EXPECT_EQ(retry_after_seconds(0.01), 1);
  EXPECT_EQ(retry_after_seconds(2.2), 3);
  EXPECT_EQ(retry_after_seconds(1e9), 60);
}

TEST(FinishRate, PlacesAreFreedInTheOrderOfWhatIsLeft) {
  const std::vector<Outlook> running{{5, {1, 100}}, {1, {2, 10}}, {3, {1, 1000}}};
  EXPECT_EQ(seconds_until_freed(running, {1, 0}), 1);
  EXPECT_EQ(seconds_until_freed(running, {3, 0}), 3);
  EXPECT_EQ(seconds_until_freed(running, {1, 11}), 3) << "tokens, too, must have left";
  EXPECT_EQ(seconds_until_freed(running, {9, 0}), 5) << "the last one where it is never enough";
  EXPECT_EQ(seconds_until_freed({}, {1, 0}), 0);
}

// One place, requests of a second each: whoever is refused has to wait about a second.
TEST(Admission, RetryAfterIsWhenAPlaceIsFree) {
  TestOptions options = test_options();
  options.engine.max_num_seqs = 1;
  options.engine.max_num_waiting = 0;
  options.engine.step = from_seconds(0.04);
  options.settings.engine.max_num_seqs = 1;
  options.settings.engine.max_num_waiting = 0;
  TestServer server(options);
  Client first(server.port());
  first.post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 60}});
  ASSERT_TRUE(eventually([&] { return server.engine().tokens_made() > 0; }));
  const Time begin = SteadyClock().now();
  const Answer refused = post(server.port(), "/v1/completions", {{"prompt", "b"}});
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "rate_limit_exceeded");
  const int told = std::stoi(refused.field("Retry-After"));
  EXPECT_EQ(first.read().status, 200);
  const double took = to_seconds(SteadyClock().now() - begin);
  // The steps of a busy machine take longer than the step that was told of.
  EXPECT_GE(told * 1.5, took) << "a client that comes back then must find a place";
  EXPECT_LE(told, took + 2);
}

// The longest token of the byte tokenizer has 7 bytes and the context 512 tokens.
TEST(Admission, TextsThatCannotFitAreNotTokenized) {
  const ByteTokenizer tokenizer;
  const std::size_t bound = prompt_bytes_bound(tokenizer, 512);
  EXPECT_EQ(bound, 512u * 7 * 4);
  TestServer server;
  const auto refused = [&](std::size_t bytes) {
    const Answer answer =
        post(server.port(), "/v1/completions", {{"prompt", std::string(bytes, 'a')}});
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.json()["error"]["code"], "context_length_exceeded");
    return answer.json()["error"];
  };
  EXPECT_TRUE(refused(bound).contains("n_prompt_tokens")) << "counted";
  EXPECT_FALSE(refused(bound + 1).contains("n_prompt_tokens")) << "not counted";
  const Json cut = {
      {"prompt", std::string(bound + 1, 'a')}, {"truncate_prompt_tokens", 4}, {"max_tokens", 2}};
  EXPECT_EQ(post(server.port(), "/v1/completions", cut).status, 200);
}

}  // namespace
}  // namespace quire::server
