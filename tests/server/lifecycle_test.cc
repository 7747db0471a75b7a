// What becomes of requests when clients leave, are slow or too many, and when the server stops. The
// FakeEngine counts cancels and live requests.
#include <gtest/gtest.h>

#include <memory>

#include "tests/server/test_server.h"

namespace quire::server {
namespace {

constexpr const char* kPath = "/v1/completions";
constexpr double kSoon = 2;  // seconds; a step is half a millisecond

Json long_body(bool stream) {
  return {{"prompt", "abc"}, {"max_tokens", 100'000}, {"stream", stream}};
}

TestOptions long_options() {
  TestOptions options = test_options();
  options.engine.context_max = 1'000'000;
  return options;
}

enum class Leave { kClose, kHalfClose };

// The client leaves when `moment` holds; everything must be free soon after.
void expect_cancel(TestServer& server, bool stream, Leave leave,
                   const std::function<bool(Client&)>& moment) {
  const int before = server.engine().cancelled();
  Client client(server.port());
  client.post(kPath, long_body(stream));
  ASSERT_TRUE(eventually([&] { return moment(client); }));
  if (leave == Leave::kClose) {
    client.close();
  } else {
    client.half_close();
  }
  EXPECT_TRUE(eventually([&] { return server.engine().cancelled() == before + 1; }, kSoon));
  server.engine().pause(false);
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 0; }, kSoon));
  EXPECT_TRUE(eventually([&] { return server.http().busy_connections() == 0; }, kSoon));
}

TEST(HangUp, CancelsInTheQueue) {
  TestServer server(long_options());
  for (const bool stream : {false, true}) {
    for (const Leave leave : {Leave::kClose, Leave::kHalfClose}) {
      server.engine().pause(true);
      expect_cancel(server, stream, leave, [&](Client&) { return server.engine().live() == 1; });
    }
  }
}

TEST(HangUp, CancelsDuringPrefill) {
  TestOptions options = long_options();
  options.engine.prefill_steps = 1'000'000;
  TestServer server(options);
  for (const bool stream : {false, true}) {
    expect_cancel(server, stream, Leave::kClose,
                  [&](Client&) { return server.engine().stats().running == 1; });
  }
}

TEST(HangUp, CancelsDuringDecode) {
  TestServer server(long_options());
  for (const Leave leave : {Leave::kClose, Leave::kHalfClose}) {
    expect_cancel(server, true, leave, [&](Client& client) {
      client.read_some();
      return client.buffered().find("data: ") != std::string::npos;
    });
    const std::int64_t made = server.engine().tokens_made();
    expect_cancel(server, false, leave,
                  [&](Client&) { return server.engine().tokens_made() > made + 5; });
  }
}

// Many clients leave around the moment of their last token: nothing may stay behind, whichever of
// the two comes first.
TEST(HangUp, AroundTheLastToken) {
  TestServer server;
  for (int i = 0; i < 60; ++i) {
    Client client(server.port());
    client.post(kPath, {{"prompt", "abc"}, {"max_tokens", 1 + i % 4}, {"stream", i % 2 == 0}});
    if (i % 3 == 0) client.read_some();
    client.close();
  }
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 0; }, kSoon));
  EXPECT_TRUE(eventually([&] { return server.http().connections() == 0; }, kSoon));
  EXPECT_EQ(get(server.port(), "/health").status, 200);
}

TEST(HangUp, ALeavingClientDisturbsNoOther) {
  TestServer server(long_options());
  Client stays(server.port());
  stays.post(kPath, {{"prompt", "xyz"}, {"max_tokens", 300}});
  for (int i = 0; i < 20; ++i) {
    Client leaves(server.port());
    leaves.post(kPath, long_body(true));
    leaves.read_some();
  }
  EXPECT_EQ(stays.read().json()["choices"][0]["text"], fake_text("xyz", 0, 300));
}

TEST(SlowReader, IsCutOffAndDisturbsNoOther) {
  TestOptions options = long_options();
  options.http.limits.stream_bytes = 8u << 10;
  options.http.timeouts.stall = from_seconds(0.5);
  options.engine.step = from_seconds(0.00001);
  TestServer server(options);
  Client slow(server.port());
  slow.post(kPath, long_body(true));
  ASSERT_TRUE(slow.read_some());
  const Answer quick = post(server.port(), kPath, {{"prompt", "q"}, {"max_tokens", 50}});
  EXPECT_EQ(quick.json()["choices"][0]["text"], fake_text("q", 0, 50));
  // The kernel's socket buffers take some megabytes before anything is felt here.
  EXPECT_TRUE(eventually([&] { return server.engine().cancelled() == 1; }, 60));
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 0; }, kSoon));
}

TEST(SlowReader, GetsEverythingWhenItComesBackInTime) {
  TestOptions options = long_options();
  options.http.limits.stream_bytes = 8u << 10;
  options.engine.step = from_seconds(0.00001);
  TestServer server(options);
  Client slow(server.port());
  slow.post(kPath, {{"prompt", "abc"}, {"max_tokens", 20'000}, {"stream", true}});
  ASSERT_TRUE(eventually([&] { return server.engine().live() == 0; }, 60));
  const Answer answer = slow.read();
  std::string text;
  for (const std::string& event : answer.events()) {
    if (event != "[DONE]") text += parse_json(event).value()["choices"][0]["text"];
  }
  EXPECT_EQ(answer.events().back(), "[DONE]");
  EXPECT_EQ(text, fake_text("abc", 0, 20'000));
}

TEST(Stream, HeartbeatsWhileNothingComes) {
  TestOptions options = long_options();
  options.http.timeouts.heartbeat = from_seconds(0.1);
  TestServer server(options);
  server.engine().pause(true);
  Client client(server.port());
  client.post(kPath, {{"prompt", "abc"}, {"max_tokens", 3}, {"stream", true}});
  ASSERT_TRUE(eventually([&] {
    client.read_some(0.05);
    return client.buffered().find("\r\n: keep-alive\n\n\r\n") != std::string::npos;
  }));
  EXPECT_EQ(client.buffered().find("data:"), std::string::npos);
  server.engine().pause(false);
  EXPECT_EQ(client.read().events().back(), "[DONE]");
}

TEST(Admission, FullQueueIs429BeforeAnyByteOfTheStream) {
  TestOptions options = long_options();
  options.engine.max_num_seqs = 1;
  options.engine.max_num_waiting = 2;
  TestServer server(options);
  server.engine().pause(true);
  std::vector<std::unique_ptr<Client>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::make_unique<Client>(server.port()));
    waiting.back()->post(kPath, long_body(true));
    ASSERT_TRUE(eventually([&] { return server.engine().live() == i + 1; }));
  }
  const Answer refused = post(server.port(), kPath, long_body(true));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.field("Retry-After"), "50") << "100,000 tokens at half a millisecond";
  EXPECT_EQ(refused.json()["error"]["code"], "rate_limit_exceeded");
  // A batch is admitted as a whole or not at all.
  waiting.pop_back();
  ASSERT_TRUE(eventually([&] { return server.engine().live() == 2; }));
  for (int i = 0; i < 20; ++i) {
    const Answer batch = post(server.port(), kPath, {{"prompt", {"a", "b"}}, {"max_tokens", 1}});
    EXPECT_EQ(batch.status, 429);
    ASSERT_TRUE(eventually([&] { return server.engine().live() == 2; }));
  }
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 2; }));
}

TEST(Admission, DeadlineBeforeTheFirstTokenIs504) {
  TestOptions options = long_options();
  options.engine.prefill_steps = 1'000'000;
  TestServer server(options);
  const Answer answer =
      post(server.port(), kPath, {{"prompt", "a"}, {"max_tokens", 1}, {"deadline_ms", 50}});
  EXPECT_EQ(answer.status, 504);
}

TEST(Drain, InFlightFinishesAndNewIsRefused) {
  TestServer server(long_options());
  Client running(server.port());
  running.post(kPath, {{"prompt", "abc"}, {"max_tokens", 300}, {"stream", true}});
  ASSERT_TRUE(running.read_some());
  Client kept(server.port());
  kept.get("/readyz");
  EXPECT_EQ(kept.read().status, 200);
  server.service().begin_drain();
  server.http().begin_drain();
  kept.get("/readyz");
  const Answer not_ready = kept.read();
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_EQ(not_ready.field("Connection"), "close");
  const Answer answer = running.read();
  EXPECT_EQ(answer.events().back(), "[DONE]");
  EXPECT_TRUE(eventually([&] { return server.http().busy_connections() == 0; }, kSoon));
}

TEST(Drain, WhatIsLeftGetsAnError) {
  TestServer server(long_options());
  Client streamed(server.port());
  streamed.post(kPath, long_body(true));
  Client whole(server.port());
  whole.post(kPath, long_body(false));
  ASSERT_TRUE(streamed.read_some());
  ASSERT_TRUE(eventually([&] { return server.engine().live() == 2; }));
  server.service().begin_drain();
  server.http().begin_drain();
  server.service().cut_off();
  const std::vector<std::string> events = streamed.read().events();
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_TRUE(parse_json(events[events.size() - 2]).value().contains("error"));
  EXPECT_EQ(whole.read().status, 503);
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 0; }, kSoon));
}

TEST(Crowd, TwoHundredStreamsEachGetTheirOwnText) {
  TestOptions options = test_options();
  options.engine.max_num_seqs = 64;
  TestServer server(options);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->post(
        kPath,
        {{"prompt", fmt::format("prompt {}", i)}, {"max_tokens", 20 + i % 30}, {"stream", true}},
        "X-Request-Id: same\r\n");
  }
  for (int i = 0; i < 200; ++i) {
    const Answer answer = clients[static_cast<std::size_t>(i)]->read();
    std::string text;
    for (const std::string& event : answer.events()) {
      if (event != "[DONE]") text += parse_json(event).value()["choices"][0]["text"];
    }
    EXPECT_EQ(text, fake_text(fmt::format("prompt {}", i), 0, 20 + i % 30));
  }
  EXPECT_EQ(server.engine().live(), 0);
}

}  // namespace
}  // namespace quire::server
