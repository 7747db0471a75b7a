// Answers of the generating endpoints. The FakeEngine's tokens are a known function, so the exact
// text of every answer is known.
#include <gtest/gtest.h>

#include "tests/server/test_server.h"

namespace quire::server {
namespace {

constexpr const char* kChatPath = "/v1/chat/completions";
constexpr const char* kCompletionPath = "/v1/completions";

Json chat_body(const std::string& text, int max_tokens) {
  return {{"messages", {{{"role", "user"}, {"content", text}}}}, {"max_tokens", max_tokens}};
}

struct Streamed {
  std::string text;
  std::vector<std::string> reasons;
  std::vector<Json> chunks;
  Json usage;
};

// Checks the shape of a stream and joins choice `index`.
Streamed join(const Answer& answer, int index = 0) {
  Streamed out;
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.field("Content-Type"), "text/event-stream; charset=utf-8");
  const std::vector<std::string> events = answer.events();
  EXPECT_FALSE(events.empty());
  if (events.empty()) return out;
  EXPECT_EQ(events.back(), "[DONE]");
  bool first = true;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    const Json chunk = parse_json(events[i]).value();
    out.chunks.push_back(chunk);
    if (chunk["choices"].empty()) {
      out.usage = chunk["usage"];
      EXPECT_EQ(i + 2, events.size()) << "usage comes last";
      continue;
    }
    const Json& choice = chunk["choices"][0];
    if (choice["index"] != index) continue;
    if (choice.contains("delta")) {
      EXPECT_EQ(choice["delta"].contains("role"), first);
      if (choice["delta"].contains("content")) out.text += choice["delta"]["content"];
    } else {
      out.text += choice["text"];
    }
    first = false;
    if (!choice["finish_reason"].is_null()) out.reasons.push_back(choice["finish_reason"]);
  }
  return out;
}

TEST(Generation, ChatAnswer) {
  TestServer server;
  const Answer answer = post(server.port(), kChatPath, chat_body("hi", 7));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json json = answer.json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "fake");
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], fake_text("user:hi;a:", 0, 7));
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["prompt_tokens"], 10);
  EXPECT_EQ(json["usage"]["completion_tokens"], 7);
  EXPECT_EQ(json["usage"]["total_tokens"], 17);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
  EXPECT_EQ(json["timings"]["cache_n"], 5);
  EXPECT_EQ(json["timings"]["predicted_n"], 7);
}

TEST(Generation, StreamsGiveTheTextOfWholeAnswers) {
  TestServer server;
  for (const char* path : {kChatPath, kCompletionPath}) {
    Json body = std::string_view(path) == kChatPath
                    ? chat_body("hello there", 40)
                    : Json{{"prompt", "hello there"}, {"max_tokens", 40}};
    const Json whole = post(server.port(), path, body).json()["choices"][0];
    const std::string text = whole.contains("text") ? whole["text"] : whole["message"]["content"];
    EXPECT_EQ(text.size(), 40u);
    body["stream"] = true;
    const Streamed streamed = join(post(server.port(), path, body));
    EXPECT_EQ(streamed.text, text);
    EXPECT_EQ(streamed.reasons, std::vector<std::string>{"length"});
    EXPECT_TRUE(streamed.usage.is_null()) << "usage was not asked for";
    for (const Json& chunk : streamed.chunks) EXPECT_FALSE(chunk.contains("usage"));
  }
}

TEST(Generation, StreamUsage) {
  TestServer server;
  Json body = chat_body("x", 5);
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  const Streamed streamed = join(post(server.port(), kChatPath, body));
  EXPECT_EQ(streamed.usage["completion_tokens"], 5);
  EXPECT_EQ(streamed.usage["prompt_tokens"], 9);
  EXPECT_TRUE(streamed.chunks.front()["usage"].is_null());
  body["stream_options"] = {{"continuous_usage_stats", true}};
  const Streamed continuous = join(post(server.port(), kChatPath, body));
  for (std::size_t i = 0; i < continuous.chunks.size(); ++i) {
    EXPECT_EQ(continuous.chunks[i]["usage"]["completion_tokens"], i + 1);
  }
}

TEST(Generation, NaturalEndCountsTheEos) {
  TestOptions options = test_options();
  options.engine.natural_length = 6;
  TestServer server(options);
  const Json json = post(server.port(), kChatPath, chat_body("hi", 50)).json();
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(json["choices"][0]["stop_reason"].is_null());
  EXPECT_EQ(json["usage"]["completion_tokens"], 7);
  Json body = chat_body("hi", 12);
  body["ignore_eos"] = true;
  EXPECT_EQ(post(server.port(), kChatPath, body).json()["usage"]["completion_tokens"], 12);
}

TEST(Generation, ChoicesAndBatchesAreNumberedAcrossPrompts) {
  TestServer server;
  const Json body = {{"prompt", {"a", "b", "c"}}, {"n", 2}, {"max_tokens", 9}};
  const Json json = post(server.port(), kCompletionPath, body).json();
  ASSERT_EQ(json["choices"].size(), 6u);
  const std::string prompts = "abc";
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(json["choices"][i]["index"], i);
    const std::string prompt(1, prompts[static_cast<std::size_t>(i / 2)]);
    EXPECT_EQ(json["choices"][i]["text"], fake_text(prompt, i % 2, 9));
  }
  EXPECT_EQ(json["usage"]["prompt_tokens"], 3) << "once per prompt";
  EXPECT_EQ(json["usage"]["completion_tokens"], 54);
  Json streamed = body;
  streamed["stream"] = true;
  const Answer answer = post(server.port(), kCompletionPath, streamed);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(join(answer, i).text, json["choices"][i]["text"]);
    EXPECT_EQ(join(answer, i).reasons.size(), 1u);
  }
}

TEST(Generation, PromptsAsIds) {
  TestServer server;
  const auto text_of = [&](const Json& prompt) {
    const Json body = {{"prompt", prompt}, {"max_tokens", 5}};
    return post(server.port(), kCompletionPath, body).json()["choices"][0]["text"];
  };
  EXPECT_EQ(text_of({97, 98}), fake_text("ab", 0, 5));
  EXPECT_EQ(text_of(Json::array({{97, 98}, {99}})), fake_text("ab", 0, 5));
  EXPECT_EQ(text_of(""), fake_text(std::vector<std::int32_t>{ByteTokenizer::kBos}, 0, 5));
}

TEST(Generation, TokenIdsAreReturned) {
  TestServer server;
  Json body = {{"prompt", "ab"}, {"max_tokens", 3}, {"return_token_ids", true}};
  const Json choice = post(server.port(), kCompletionPath, body).json()["choices"][0];
  EXPECT_EQ(choice["prompt_token_ids"], Json({97, 98}));
  EXPECT_EQ(choice["token_ids"].size(), 3u);
  body["stream"] = true;
  const Streamed streamed = join(post(server.port(), kCompletionPath, body));
  Json ids = Json::array();
  for (const Json& chunk : streamed.chunks) {
    for (const Json& id : chunk["choices"][0]["token_ids"]) ids.push_back(id);
  }
  EXPECT_EQ(ids, choice["token_ids"]);
  Json chat = chat_body("b", 2);
  chat["return_token_ids"] = true;
  EXPECT_EQ(post(server.port(), kChatPath, chat).json()["prompt_token_ids"].size(), 9u);
}

TEST(Generation, ChatLogprobs) {
  TestServer server;
  Json body = chat_body("hi", 3);
  body["logprobs"] = true;
  body["top_logprobs"] = 2;
  const Json content =
      post(server.port(), kChatPath, body).json()["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 3u);
  const std::string text = fake_text("user:hi;a:", 0, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(content[i]["token"], text.substr(i, 1));
    EXPECT_EQ(content[i]["bytes"], Json::array({static_cast<int>(text[i])}));
    ASSERT_EQ(content[i]["top_logprobs"].size(), 2u);
    EXPECT_EQ(content[i]["top_logprobs"][0]["logprob"], content[i]["logprob"]);
  }
}

// What lm-eval reads: one entry per prompt token, the first null, and text offsets.
TEST(Generation, EchoWithLogprobs) {
  TestServer server;
  const Json body = {{"prompt", "abc"}, {"max_tokens", 1}, {"logprobs", 1}, {"echo", true}};
  const Json choice = post(server.port(), kCompletionPath, body).json()["choices"][0];
  EXPECT_EQ(choice["text"], "abc" + fake_text("abc", 0, 1));
  const Json& logprobs = choice["logprobs"];
  EXPECT_EQ(logprobs["tokens"].size(), 4u);
  EXPECT_EQ(logprobs["tokens"][1], "b");
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
  EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
  EXPECT_EQ(logprobs["text_offset"], Json({0, 1, 2, 3}));
  EXPECT_EQ(logprobs["top_logprobs"][1]["b"], logprobs["token_logprobs"][1]);
  Json streamed = body;
  streamed["stream"] = true;
  EXPECT_EQ(join(post(server.port(), kCompletionPath, streamed)).text, choice["text"]);
  const Json only = {{"prompt", "abc"}, {"max_tokens", 0}, {"logprobs", 0}, {"echo", true}};
  const Json scored = post(server.port(), kCompletionPath, only).json();
  EXPECT_EQ(scored["choices"][0]["text"], "abc");
  EXPECT_EQ(scored["choices"][0]["logprobs"]["tokens"].size(), 3u);
  EXPECT_EQ(scored["usage"]["completion_tokens"], 0);
}

TEST(Generation, PromptLogprobsAndIdsAsText) {
  TestServer server;
  const Json body = {{"prompt", "ab"},
                     {"max_tokens", 1},
                     {"logprobs", 1},
                     {"prompt_logprobs", 1},
                     {"return_tokens_as_token_ids", true}};
  const Json choice = post(server.port(), kCompletionPath, body).json()["choices"][0];
  EXPECT_TRUE(choice["prompt_logprobs"][0].is_null());
  EXPECT_EQ(choice["prompt_logprobs"][1]["98"]["decoded_token"], "b");
  EXPECT_TRUE(choice["logprobs"]["tokens"][0].get<std::string>().starts_with("token:"));
}

TEST(Generation, StopTokensAreNamed) {
  TestServer server;
  Json body = {{"prompt", "abc"}, {"max_tokens", 30}};
  const std::string text = fake_text("abc", 0, 30);
  const std::int32_t stop = text[12];
  body["stop_token_ids"] = Json::array({stop});
  const Json choice = post(server.port(), kCompletionPath, body).json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["stop_reason"], stop);
  EXPECT_EQ(choice["text"], text.substr(0, text.find(static_cast<char>(stop))));
}

TEST(Generation, UnknownFieldsAreNamedInWarnings) {
  TestServer server;
  Json body = chat_body("hi", 2);
  body["frobnicate"] = 1;
  const Json json = post(server.port(), kChatPath, body).json();
  EXPECT_NE(json["warnings"][0].get<std::string>().find("frobnicate"), std::string::npos);
  body["stream"] = true;
  const Streamed streamed = join(post(server.port(), kChatPath, body));
  EXPECT_TRUE(streamed.chunks.front().contains("warnings"));
  EXPECT_FALSE(streamed.chunks.back().contains("warnings"));
}

TEST(Generation, TokenizeDetokenizeApplyTemplate) {
  TestServer server;
  const int port = server.port();
  const Json chat = {{"messages", {{{"role", "user"}, {"content", "x"}}}}};
  EXPECT_EQ(post(port, "/apply-template", chat).json()["prompt"], "user:x;a:");
  EXPECT_EQ(post(port, "/tokenize", chat).json()["count"], 9);
  EXPECT_EQ(post(port, "/tokenize", {{"content", "^a"}}).json()["tokens"], Json({94, 97}));
  EXPECT_EQ(post(port, "/tokenize", {{"prompt", "^a"}}).json()["tokens"], Json({256, 94, 97}));
  EXPECT_EQ(post(port, "/detokenize", {{"tokens", {97, 98}}}).json()["prompt"], "ab");
  EXPECT_EQ(post(port, "/detokenize", {{"tokens", {9999}}}).status, 400);
  EXPECT_EQ(post(port, "/detokenize", Json::object()).json()["error"]["param"], "tokens");
}

TEST(Generation, InfoEndpoints) {
  TestServer server;
  const int port = server.port();
  const Json model = get(port, "/v1/models").json()["data"][0];
  EXPECT_EQ(model["max_model_len"], 512);
  EXPECT_EQ(model["context_length"], 512);
  EXPECT_EQ(model["context_window"], 512);
  EXPECT_EQ(model["meta"]["n_ctx"], 512);
  EXPECT_EQ(get(port, "/v1/models/nope").json()["error"]["code"], "model_not_found");
  EXPECT_EQ(get(port, "/props").json()["default_generation_settings"]["n_ctx"], 512);
  EXPECT_EQ(get(port, "/slots").json(), Json::array());
  EXPECT_EQ(get(port, "/load").json()["server_load"], 0);
  EXPECT_EQ(get(port, "/v1/cache/stats").json()["pages"][0]["total"], 1000);
  Client client(port);
  client.request("POST", "/v1/cache/reset");
  EXPECT_EQ(client.read().json(), (Json{{"kv_pages_freed", 7}, {"states_freed", 3}}));
  EXPECT_TRUE(get(port, "/version").json()["version"].is_string());
  server.engine().set_healthy(false);
  EXPECT_EQ(get(port, "/health").status, 503);
  EXPECT_EQ(get(port, "/livez").status, 200);
}

}  // namespace
}  // namespace quire::server
