// /v1/engine/live: what the JSON tells must be what the engine's view holds, watchers get events
// until they go or the server does, and nobody is asked while nobody watches.
#include <gtest/gtest.h>

#include "server/live_feed.h"
#include "server/live_json.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

TEST(PageMap, LettersStandForRunsAndJoinEqualOnes) {
  using cache::PageRun;
  EXPECT_EQ(page_map({}), "");
  EXPECT_EQ(page_map({{PageRun::kFreeRun, 12}, {1, 3}, {0, 4}}), "f12r3c4");
  EXPECT_EQ(page_map({{1, 1}, {2, 1}, {3, 1}, {4, 2}, {5, 1}, {8, 1}, {9, 1}, {16, 1}, {17, 5}}),
            "r1s1t3u2v2w5");
}

TEST(LiveJson, TellsWhatTheViewHolds) {
  engine::ModelCard card;
  card.weight_bytes = 3'000'000;
  card.kv_bytes_per_token = 1000;
  card.read_bytes_per_second = 12.5e9;
  engine::LiveView view;
  view.now = from_seconds(2);
  view.cache.groups.push_back({{10, 3, 2, 5}, {{2, 3}, {0, 2}, {-1, 5}}, 10});
  view.cache.chains.push_back({-1, 0, 0, 48, 3, 2, 1, 7, 4});
  view.stats.drafted_per_position = {8, 4};
  view.stats.accepted_per_position = {6, 1};
  engine::StepRecord step;
  step.facts.number = 9;
  step.facts.forward = from_seconds(0.001);
  step.facts.context_tokens = 1000;
  step.shares = {{41, 1, 0, 0, false}, {42, 16, 0, 0, true}, {43, 4, 3, 2, false}};
  step.preempted = {44};
  view.steps.push_back(step);
  engine::RequestView request;
  request.id = 41;
  request.sequence = 41;
  request.arrival = from_seconds(1.5);
  request.pages = {{4, 2}, {9, 1}};
  view.requests.push_back(request);

  const Json body = live_json(view, card, [](auto id) { return "name-" + std::to_string(id); });
  EXPECT_EQ(body["now"], 2000.0);
  EXPECT_EQ(body["model"]["memory_gbps"], 12.5);
  const Json& group = body["cache"]["groups"][0];
  EXPECT_EQ(group["map"], "s3c2f5");
  EXPECT_EQ(group["referenced"].get<int>() + group["cached"].get<int>() + group["free"].get<int>(),
            group["total"].get<int>());
  EXPECT_EQ(body["cache"]["prefix"]["chains"][0]["references"], 2);
  EXPECT_EQ(body["cache"]["prefix"]["chains"][0]["hidden"], 4);
  EXPECT_EQ(body["drafts"], Json::parse(R"({"proposed": [8, 4], "accepted": [6, 1]})"));
  // 3 MB of weights and 1 MB of keys and values in a millisecond.
  EXPECT_EQ(body["steps"][0]["gbps"], 4.0);
  EXPECT_EQ(body["steps"][0]["shares"], Json::parse("[41,1,0,0, 42,-16,0,0, 43,4,3,2]"));
  EXPECT_EQ(body["steps"][0]["preempted"], Json::parse("[44]"));
  EXPECT_EQ(body["requests"][0]["request_id"], "name-41");
  EXPECT_EQ(body["requests"][0]["pages"], Json::parse("[4,2,9,1]"));
  EXPECT_EQ(body["requests"][0]["arrival"], 1500.0);
  EXPECT_TRUE(body["requests"][0]["first_token"].is_null());
}

TEST(Live, OneLookNamesTheRequestsInFlight) {
  TestOptions options = test_options();
  options.engine.context_max = 100'000;
  TestServer server(options);
  Client client(server.port());
  const std::string body = R"({"prompt": "abc", "stream": true})";
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-own-7\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(client.read_some());
  const Answer answer = get(server.port(), "/v1/engine/live");
  ASSERT_EQ(answer.status, 200);
  const Json live = answer.json();
  ASSERT_EQ(live["requests"].size(), 1u);
  EXPECT_EQ(live["requests"][0]["request_id"], "my-own-7");
  EXPECT_EQ(live["requests"][0]["phase"], "decode");
  EXPECT_EQ(live["requests"][0]["prompt_tokens"], 3);
  EXPECT_EQ(live["cache"]["groups"][0]["map"], "r1f999");
  EXPECT_EQ(answer.body.find("abc"), std::string::npos) << "no prompts in a snapshot";
}

TEST(Live, StreamsUntilTheClientGoes) {
  TestServer server;
  EXPECT_EQ(server.engine().looks(), 0) << "nobody watches";
  {
    Client client(server.port());
    client.get("/v1/engine/live?stream=1");
    ASSERT_TRUE(eventually([&] {
      client.read_some(0.1);
      const std::string& seen = client.buffered();
      const std::size_t first = seen.find("data: {");
      return first != std::string::npos && seen.find("data: {", first + 1) != std::string::npos;
    }));
    EXPECT_NE(client.buffered().find("text/event-stream"), std::string::npos);
  }
  // One more may be on its way; then nothing is asked any more.
  std::this_thread::sleep_for(2 * LiveFeed::kPeriod);
  const int looks = server.engine().looks();
  std::this_thread::sleep_for(3 * LiveFeed::kPeriod);
  EXPECT_EQ(server.engine().looks(), looks);
}

TEST(Live, StreamsEndWhenTheServerDrains) {
  TestServer server;
  Client client(server.port());
  client.get("/v1/engine/live?stream=1");
  ASSERT_TRUE(client.read_some());
  server.service().begin_drain();
  EXPECT_TRUE(client.read().complete);
}

TEST(Live, WatchersAreCountedAndOtherQueriesRefused) {
  TestServer server;
  EXPECT_EQ(get(server.port(), "/v1/engine/live?strem=1").status, 400);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < LiveFeed::kWatchersMax; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->get("/v1/engine/live?stream=1");
    ASSERT_TRUE(clients.back()->read_some());
  }
  EXPECT_EQ(get(server.port(), "/v1/engine/live?stream=1").status, 503);
  clients.pop_back();
  EXPECT_TRUE(eventually([&] {
    Client client(server.port());
    client.get("/v1/engine/live?stream=1");
    return client.read_some() && client.buffered().find("200 OK") != std::string::npos;
  }));
}

}  // namespace
}  // namespace quire::server
