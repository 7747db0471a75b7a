// HTTP semantics over real sockets. Expectations follow RFC 9110/9112 and docs on the wire format;
// the client reads raw bytes.
#include <gtest/gtest.h>

#include <thread>

#include "server/http_writer.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

TEST(Connection, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  Client client(server.port());
  std::string bytes;
  for (int i = 0; i < 100; ++i) {
    bytes +=
        fmt::format("GET /v1/models/m{} HTTP/1.1\r\nHost: a\r\nX-Request-Id: r{}\r\n\r\n", i, i);
  }
  client.send(bytes);
  for (int i = 0; i < 100; ++i) {
    const Answer answer = client.read();
    ASSERT_EQ(answer.status, 404) << i;
    EXPECT_EQ(answer.field("X-Request-Id"), fmt::format("r{}", i));
    EXPECT_NE(answer.body.find(fmt::format("\\\"m{}\\\"", i)), std::string::npos) << answer.body;
  }
}

TEST(Connection, OneBytePackets) {
  TestServer server;
  Client client(server.port());
  const std::string text =
      "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n{\"prompt\":\"ab\"}";
  for (const char c : text) client.send(std::string_view(&c, 1));
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["tokens"], Json({97, 98}));
}

TEST(Connection, MethodsAndPaths) {
  TestServer server;
  Client client(server.port());
  client.request("HEAD", "/health");
  const Answer head = client.read(false);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("Content-Length"), "15");
  client.request("OPTIONS", "/v1/completions");
  const Answer options = client.read();
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.field("Allow"), "POST, OPTIONS");
  client.request("GET", "/v1/completions");
  const Answer wrong = client.read();
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.field("Allow"), "POST, OPTIONS");
  client.request("get", "/health");
  EXPECT_EQ(client.read().status, 405);
  for (const char* path :
       {"/nothing", "//health", "/health/", "/v1%2fmodels", "/Health", "/v1/models/"}) {
    client.get(path);
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_TRUE(answer.json()["error"]["message"].is_string());
  }
  client.get("/health?x=1");
  EXPECT_EQ(client.read().status, 200);
  client.get("/v1/models/org%2Falias");
  EXPECT_EQ(client.read().json()["id"], "org/alias");
  client.get("/v1/models/org/alias");
  EXPECT_EQ(client.read().json()["max_model_len"], 512);
}

TEST(Connection, BodiesThatAreRefused) {
  TestServer server;
  const auto status_of = [&](const std::string& fields, const std::string& body) {
    Client client(server.port());
    client.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body);
    return client.read().status;
  };
  const std::string good = "{\"prompt\":\"a\",\"max_tokens\":1}";
  const std::string length = fmt::format("Content-Length: {}\r\n", good.size());
  EXPECT_EQ(status_of(length, good), 200);
  EXPECT_EQ(status_of(length + "Content-Type: application/json; charset=utf-8\r\n", good), 200);
  EXPECT_EQ(status_of(length + "Content-Type: text/plain\r\n", good), 415);
  EXPECT_EQ(status_of(length + "Content-Type: application/json; charset=latin1\r\n", good), 415);
  EXPECT_EQ(status_of(length + "Content-Encoding: gzip\r\n", good), 415);
  EXPECT_EQ(status_of("", ""), 411);
  EXPECT_EQ(status_of("Content-Length: 99999999\r\n", ""), 413);
  EXPECT_EQ(status_of("Content-Length: 0\r\n", ""), 400);
}

TEST(Connection, ExpectContinue) {
  TestServer server;
  Client client(server.port());
  const std::string body = "{\"prompt\":\"a\"}";
  const std::string fields =
      fmt::format("Content-Length: {}\r\nExpect: 100-continue\r\n", body.size());
  client.request("POST", "/tokenize", fields);
  EXPECT_EQ(client.read().status, 100);
  client.send(body);
  EXPECT_EQ(client.read().status, 200);
  Client refused(server.port());
  refused.request("POST", "/nothing", fields);
  EXPECT_EQ(refused.read().status, 404);
  EXPECT_TRUE(refused.closed_by_peer());
}

TEST(Connection, KeepAliveAndClose) {
  TestServer server;
  Client client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.get("/livez");
    EXPECT_EQ(client.read().field("Connection"), "keep-alive");
  }
  client.request("GET", "/livez", "Connection: close\r\n");
  EXPECT_EQ(client.read().field("Connection"), "close");
  EXPECT_TRUE(client.closed_by_peer());
  Client old(server.port());
  old.send("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read().status, 200);
  EXPECT_TRUE(old.closed_by_peer());
  Client old_kept(server.port());
  old_kept.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(old_kept.read().field("Connection"), "keep-alive");
}

TEST(Connection, RequestsThatGenerateNothingAreAnsweredAfterAHalfClose) {
  TestServer server;
  Client client(server.port());
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += "GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(bytes);
  client.half_close();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.read().status, 200) << i;
  EXPECT_TRUE(client.closed_by_peer());
}

TEST(Connection, MalformedMessagesGetAnErrorAndTheEnd) {
  TestServer server;
  Client client(server.port());
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"
      "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 501);
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_EQ(answer.json()["error"]["type"], "invalid_request_error");
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_TRUE(client.buffered().empty()) << "the bytes behind were taken for a request";
}

TEST(Connection, RefusalOfABigBodyReachesTheClient) {
  TestServer server;
  Client client(server.port());
  client.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
  client.send(std::string(4u << 20, 'x'));
  EXPECT_EQ(client.read().status, 413);
}

TEST(Connection, RequestIds) {
  TestServer server;
  Client client(server.port());
  client.request("GET", "/livez", "X-Request-Id: abc.DEF_1:2-3\r\n");
  EXPECT_EQ(client.read().field("X-Request-Id"), "abc.DEF_1:2-3");
  for (const std::string& bad : {std::string("a b"), std::string(129, 'a'), std::string("a\"")}) {
    client.request("GET", "/livez", fmt::format("X-Request-Id: {}\r\n", bad));
    const std::string id = client.read().field("X-Request-Id");
    EXPECT_EQ(id.size(), 32u);
  }
  client.get("/livez");
  EXPECT_NE(client.read().field("openai-processing-ms"), "");
}

TEST(Connection, Deadlines) {
  TestOptions options = test_options();
  options.http.timeouts.head = from_seconds(0.1);
  options.http.timeouts.idle = from_seconds(0.2);
  options.http.timeouts.body_grace = from_seconds(0.1);
  TestServer server(options);
  Client slow_head(server.port());
  slow_head.send("GET /livez HT");
  EXPECT_EQ(slow_head.read().status, 408);
  EXPECT_TRUE(slow_head.closed_by_peer());
  Client slow_body(server.port());
  slow_body.send("POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n{\"pro");
  EXPECT_EQ(slow_body.read().status, 408);
  Client idle(server.port());
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_TRUE(idle.buffered().empty());
  Client used(server.port());
  used.get("/livez");
  EXPECT_EQ(used.read().status, 200);
  EXPECT_TRUE(used.closed_by_peer());
}

TEST(Connection, ManyIdleConnectionsDisturbNobody) {
  TestServer server;
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 400; ++i) {
    idle.push_back(std::make_unique<Client>(server.port()));
    if (i % 2 == 0) idle.back()->send("POST /v1/completions HTTP/1.1\r\nHos");
  }
  EXPECT_TRUE(eventually([&] { return server.http().connections() == 400; }));
  EXPECT_EQ(get(server.port(), "/health").status, 200);
  idle.clear();
  EXPECT_TRUE(eventually([&] { return server.http().connections() == 0; }));
}

TEST(Connection, ConnectionsAboveTheLimitWait) {
  TestOptions options = test_options();
  options.http.connections_max = 2;
  TestServer server(options);
  auto first = std::make_unique<Client>(server.port());
  Client second(server.port());
  EXPECT_TRUE(eventually([&] { return server.http().connections() == 2; }));
  Client third(server.port());
  third.get("/livez");
  EXPECT_FALSE(third.read_some(0.3));
  first.reset();
  EXPECT_EQ(third.read().status, 200);
}

TEST(HeadWriter, RefusesFieldsThatForgeOthers) {
  HttpResponse response;
  response.fields = {{"X", "a\r\nSet-Cookie: b"}};
  EXPECT_FALSE(format_head(response, {}).has_value());
  response.fields = {{"X", std::string("a\0b", 3)}};
  EXPECT_FALSE(format_head(response, {}).has_value());
  response.fields = {{"X\n", "a"}};
  EXPECT_FALSE(format_head(response, {}).has_value());
  response.fields = {{"X", "a"}};
  EXPECT_TRUE(format_head(response, {}).has_value());
}

}  // namespace
}  // namespace quire::server
