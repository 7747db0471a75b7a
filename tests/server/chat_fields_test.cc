// Fields that other APIs gave their names: thinking, tiers, ids, biases, prefills. What a request
// came to is seen in the FakeEngine, whose template writes the prompt in plain letters.
#include <gtest/gtest.h>

#include "tests/server/test_server.h"

namespace quire::server {
namespace {

constexpr const char* kChatPath = "/v1/chat/completions";
constexpr const char* kCompletionPath = "/v1/completions";

Json chat_body(Json more) {
  more["messages"] = {{{"role", "user"}, {"content", "hi"}}};
  if (!more.contains("max_tokens")) more["max_tokens"] = 5;
  return more;
}

std::string param_of(const Answer& answer) {
  EXPECT_EQ(answer.status, 400) << answer.body;
  const Json param = answer.json()["error"]["param"];
  return param.is_string() ? param.get<std::string>() : "";
}

TEST(Thinking, SwitchesOfOtherApis) {
  TestServer server;
  const auto prompt = [&](const Json& thinking) {
    EXPECT_EQ(post(server.port(), kChatPath, chat_body({{"thinking", thinking}})).status, 200);
    std::string out;
    for (const std::int32_t id : server.engine().last().prompt) out += static_cast<char>(id);
    return out;
  };
  const std::string on = "user:hi;enable_thinking=true;thinking=true;a:";
  const std::string off = "user:hi;enable_thinking=false;thinking=false;a:";
  EXPECT_EQ(prompt(true), on);
  EXPECT_EQ(prompt({{"type", "enabled"}}), on);
  EXPECT_EQ(prompt(false), off);
  EXPECT_EQ(prompt({{"type", "disabled"}}), off);
  for (const Json& bad : {Json("on"), Json{{"type", "maybe"}}, Json(1)}) {
    EXPECT_EQ(param_of(post(server.port(), kChatPath, chat_body({{"thinking", bad}}))), "thinking");
  }
  EXPECT_EQ(param_of(post(server.port(), kChatPath,
                          chat_body({{"thinking", {{"type", "enabled"}, {"budget_tokens", 0}}}}))),
            "thinking.budget_tokens");
}

TEST(Tools, AllowedToolsMustBeAmongThem) {
  TestServer server;
  const auto ask = [&](const Json& allowed) {
    return post(
        server.port(), kChatPath,
        chat_body({{"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}},
                   {"tool_choice", {{"type", "allowed_tools"}, {"allowed_tools", allowed}}}}));
  };
  const Json f = {{"type", "function"}, {"function", {{"name", "f"}}}};
  const Json g = {{"type", "function"}, {"name", "g"}};
  EXPECT_EQ(ask({{"mode", "auto"}, {"tools", {f}}}).status, 200);
  EXPECT_EQ(param_of(ask({{"mode", "auto"}, {"tools", {f, g}}})), "tool_choice");
  EXPECT_EQ(param_of(ask({{"mode", "none"}, {"tools", {f}}})), "tool_choice");
  EXPECT_EQ(param_of(ask({{"mode", "auto"}, {"tools", Json::array()}})), "tool_choice");
}

TEST(Bias, ListsAsLlamaCppTakesThem) {
  TestServer server;
  const auto ask = [&](const Json& bias) {
    return post(server.port(), kCompletionPath,
                {{"prompt", "a"}, {"max_tokens", 1}, {"logit_bias", bias}});
  };
  // The text "bc" has the tokens 98 and 99.
  EXPECT_EQ(ask({{97, 1.5}, {"bc", -2}, {"100", 3}, {101, false}}).status, 200);
  using Biases = std::vector<std::pair<std::int32_t, float>>;
  const engine::SamplingParams sampling = server.engine().last().sampling;
  EXPECT_EQ(sampling.logit_bias, (Biases{{97, 1.5f}, {98, -2.0f}, {99, -2.0f}, {100, 3.0f}}));
  EXPECT_EQ(sampling.bad_words, (std::vector<std::vector<std::int32_t>>{{101}}));
  for (const Json& bad : {Json{{"a", true}}, Json{{"", 1}}, Json{{999, 1}}, Json{{97, 101}},
                          Json::array({Json::array({97})}), Json{{"bc", 1}}}) {
    const Json shape = bad == Json{{"bc", 1}} ? Json::object({{"bc", 1}}) : bad;
    EXPECT_EQ(param_of(ask(shape)), "logit_bias") << shape;
  }
}

TEST(Tier, OrdersTheQueueAndIsTold) {
  TestServer server;
  const auto ask = [&](const Json& more) {
    const Answer answer = post(server.port(), kChatPath, chat_body(more));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
  };
  const auto priority = [&] { return server.engine().last().priority; };
  EXPECT_FALSE(ask(Json::object()).contains("service_tier"));
  EXPECT_EQ(priority(), 0);
  EXPECT_EQ(ask({{"service_tier", "auto"}})["service_tier"], "default");
  EXPECT_EQ(ask({{"service_tier", "priority"}})["service_tier"], "priority");
  EXPECT_EQ(priority(), -1) << "lower runs first";
  EXPECT_EQ(ask({{"service_tier", "flex"}})["service_tier"], "flex");
  EXPECT_EQ(priority(), 1);
  ask({{"service_tier", "flex"}, {"priority", -5}});
  EXPECT_EQ(priority(), -5);
  EXPECT_EQ(param_of(post(server.port(), kChatPath, chat_body({{"service_tier", "gold"}}))),
            "service_tier");
}

TEST(RequestId, IsTheAnswersToo) {
  TestServer server;
  const auto ask = [&](const Json& more, std::string_view fields) {
    Client client(server.port());
    client.post(kChatPath, chat_body(more), fields);
    return client.read();
  };
  const Answer named = ask({{"request_id", "job-1"}}, "");
  EXPECT_EQ(named.json()["id"], "chatcmpl-job-1");
  EXPECT_EQ(named.field("X-Request-Id"), "job-1");
  const Answer both = ask({{"rid", "job-2"}}, "X-Request-Id: job-3\r\n");
  EXPECT_EQ(both.json()["id"], "chatcmpl-job-3") << "the header wins";
  EXPECT_EQ(both.field("X-Request-Id"), "job-3");
  const Answer forged = ask({{"request_id", "a\r\nb: c"}}, "");
  EXPECT_EQ(forged.json()["id"].get<std::string>().size(), std::string("chatcmpl-").size() + 32);
}

TEST(StreamInterval, JoinsTokensAndLosesNone) {
  TestServer server;
  const Json body = {{"prompt", "abc"},         {"max_tokens", 11},     {"n", 2},
                     {"stream", true},          {"stream_interval", 4}, {"logprobs", 0},
                     {"return_token_ids", true}};
  const Answer answer = post(server.port(), kCompletionPath, body);
  std::vector<std::string> texts(2);
  std::vector<std::vector<std::size_t>> sizes(2);
  for (const std::string& event : answer.events()) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event).value()["choices"][0];
    const std::size_t index = choice["index"];
    texts[index] += choice["text"];
    sizes[index].push_back(choice["token_ids"].size());
    EXPECT_EQ(choice["logprobs"]["tokens"].size(), choice["token_ids"].size());
  }
  for (int i = 0; i < 2; ++i) {
    const auto index = static_cast<std::size_t>(i);
    EXPECT_EQ(texts[index], fake_text("abc", i, 11));
    EXPECT_EQ(sizes[index], (std::vector<std::size_t>{1, 4, 4, 2})) << "the first token at once";
  }
}

TEST(Roles, AreOpenAisOrTheTemplates) {
  TestServer server;
  const auto ask = [&](const char* role) {
    return post(server.port(), kChatPath,
                {{"messages", {{{"role", role}, {"content", "x"}}}}, {"max_tokens", 1}});
  };
  for (const char* role : {"system", "developer", "user", "assistant", "tool", "function"}) {
    EXPECT_EQ(ask(role).status, 200) << role;
  }
  EXPECT_EQ(param_of(ask("wizard")), "messages[0].role");
}

// The FakeEngine's template ends in "a:" where a new message begins.
TEST(Prefill, ATrailingTextOfTheAssistantIsContinued) {
  TestServer server;
  const Json said = {{"role", "assistant"}, {"content", "Once"}};
  const Json user = {{"role", "user"}, {"content", "x"}};
  const auto prompt = [&](const char* path, Json body) {
    body["max_tokens"] = 2;
    const Answer answer = post(server.port(), path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::string out;
    for (const std::int32_t id : server.engine().last().prompt) out += static_cast<char>(id);
    return out;
  };
  const Json messages = {user, said};
  for (const char* path : {kChatPath, "/v1/messages"}) {
    EXPECT_EQ(prompt(path, {{"messages", messages}}), "user:x;assistant:Once;") << path;
    EXPECT_EQ(prompt(path, {{"messages", {user, said, user}}}), "user:x;assistant:Once;user:x;a:");
  }
  EXPECT_EQ(prompt(kChatPath, {{"messages", messages}, {"add_generation_prompt", true}}),
            "user:x;assistant:Once;a:");
  EXPECT_EQ(prompt(kChatPath, {{"messages", messages}, {"continue_final_message", false}}),
            "user:x;assistant:Once;a:");
  const Answer response =
      post(server.port(), "/v1/responses", {{"input", {user, said}}, {"max_output_tokens", 1}});
  EXPECT_EQ(response.json()["usage"]["input_tokens"],
            std::string("user:x;assistant:Once;a:").size());
}

}  // namespace
}  // namespace quire::server
