// Fields that change the shape of an answer or its prompt. The FakeEngine's tokens are bytes and
// known, so that every text, offset and list of tokens has one right value; the shapes are those of
// the documentation of vLLM, llama.cpp's server and OpenAI.
#include <gtest/gtest.h>

#include <limits>

#include "server/chat_json.h"
#include "server/legacy_functions.h"
#include "server/token_offsets.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

constexpr const char* kChatPath = "/v1/chat/completions";
constexpr const char* kCompletionPath = "/v1/completions";
constexpr const char* kNativePath = "/completion";

Json chat_body(Json more) {
  more["messages"] = {{{"role", "user"}, {"content", "hi"}}};
  if (!more.contains("max_tokens")) more["max_tokens"] = 5;
  return more;
}

Json ids_of(const std::string& text) {
  Json out = Json::array();
  for (const char c : text) out.push_back(static_cast<int>(c));
  return out;
}

std::string param_of(const Answer& answer) {
  EXPECT_EQ(answer.status, 400) << answer.body;
  const Json param = answer.json()["error"]["param"];
  return param.is_string() ? param.get<std::string>() : "";
}

Json joined(const Answer& answer, std::string_view name) {
  Json out = Json::array();
  for (const std::string& event : answer.events()) {
    if (event == "[DONE]") continue;
    const Json chunk = parse_json(event).value();
    const Json& from = chunk.contains("choices") ? chunk["choices"][0] : chunk;
    if (const Json* list = find_member(from, name)) {
      for (const Json& one : *list) out.push_back(one);
    }
  }
  return out;
}

TEST(Detokenize, WithoutItThereAreTokensAndNoText) {
  TestServer server;
  const Json body = chat_body({{"detokenize", false}});
  const std::string text = fake_text("user:hi;a:", 0, 5);
  const Json choice = post(server.port(), kChatPath, body).json()["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "");
  EXPECT_EQ(choice["token_ids"], ids_of(text));
  Json streamed = body;
  streamed["stream"] = true;
  EXPECT_EQ(joined(post(server.port(), kChatPath, streamed), "token_ids"), ids_of(text));
  EXPECT_EQ(param_of(post(server.port(), kCompletionPath,
                          {{"prompt", "x"}, {"detokenize", false}, {"stop", "a"}})),
            "stop");
}

TEST(Prompt, ItsTextAndOffsetsAreTold) {
  TestServer server;
  const Json asked = {{"return_prompt_text", true}, {"return_token_offsets", true}};
  const Json chat = post(server.port(), kChatPath, chat_body(asked)).json();
  EXPECT_EQ(chat["prompt_text"], "user:hi;a:");
  EXPECT_EQ(chat["prompt_token_offsets"].size(), 10u);
  EXPECT_EQ(chat["prompt_token_offsets"][9], Json({9, 10}));
  Json body = asked;
  body["prompt"] = {"ab", "\xC3\xA9z"};
  body["max_tokens"] = 1;
  const Json choices = post(server.port(), kCompletionPath, body).json()["choices"];
  EXPECT_EQ(choices[0]["prompt_text"], "ab");
  EXPECT_EQ(choices[1]["prompt_text"], "\xC3\xA9z");
  EXPECT_EQ(choices[1]["prompt_token_offsets"], Json::array({{0, 1}, {0, 1}, {1, 2}}))
      << "both halves of a character have all of it";
  body["prompt"] = {104, 105};
  EXPECT_EQ(post(server.port(), kCompletionPath, body).json()["choices"][0]["prompt_text"], "hi");
  const Json counted =
      post(server.port(), "/tokenize", {{"prompt", "ab"}, {"return_token_offsets", true}}).json();
  EXPECT_EQ(counted["token_offsets"], Json::array({{0, 1}, {1, 2}}));
}

TEST(Prompt, OffsetsOfTokensThatAreNotInTheText) {
  const ByteTokenizer tokenizer;
  const std::vector<std::int32_t> ids = {ByteTokenizer::kBos, 'a', 'b'};
  EXPECT_EQ(offsets_json(token_offsets(tokenizer, ids, "ab")),
            Json::array({{0, 0}, {0, 1}, {1, 2}}));
  EXPECT_FALSE(token_offsets(tokenizer, ids, "ax").has_value());
  EXPECT_FALSE(token_offsets(tokenizer, ids, "abc").has_value()) << "text without a token";
  EXPECT_EQ(offsets_json(std::nullopt), nullptr);
}

TEST(Echo, ChatRepeatsTheMessageThatTheAnswerGoesOnWith) {
  TestServer server;
  const Json messages = {{{"role", "user"}, {"content", "hi"}},
                         {{"role", "assistant"}, {"content", "Well, "}}};
  const Json body = {
      {"messages", messages}, {"echo", true}, {"continue_final_message", true}, {"max_tokens", 4}};
  const std::string text = "Well, " + fake_text("user:hi;assistant:Well, ;", 0, 4);
  const Json whole = post(server.port(), kChatPath, body).json();
  EXPECT_EQ(whole["choices"][0]["message"]["content"], text);
  Json streamed = body;
  streamed["stream"] = true;
  std::string joined;
  for (const std::string& event : post(server.port(), kChatPath, streamed).events()) {
    if (event == "[DONE]") continue;
    joined += parse_json(event).value()["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(joined, text);
  const Json other = post(server.port(), kChatPath, chat_body({{"echo", true}})).json();
  EXPECT_EQ(other["choices"][0]["message"]["content"], fake_text("user:hi;a:", 0, 5))
      << "the user's message is not the assistant's";
}

text::AnswerEvents one_call() {
  using Kind = text::AnswerEvent::Kind;
  return {{Kind::kCallBegin, "find", 0, "call_a"},
          {Kind::kArguments, "{\"q\":", 0, {}},
          {Kind::kArguments, "1}", 0, {}}};
}

TEST(LegacyFunctions, AnswersHaveTheOldShape) {
  text::Answer answer;
  answer.apply(one_call());
  const Json message = message_json(answer, CallStyle::kFunction);
  EXPECT_EQ(message["function_call"], Json({{"name", "find"}, {"arguments", "{\"q\":1}"}}));
  EXPECT_FALSE(message.contains("tool_calls"));
  EXPECT_EQ(message["content"], nullptr);
  std::string name, arguments;
  bool first = true;
  for (const text::AnswerEvent& event : one_call()) {
    const Json delta = delta_json({event}, CallStyle::kFunction, first, "");
    EXPECT_EQ(delta["function_call"].contains("name"), first);
    name += delta["function_call"].value("name", "");
    arguments += delta["function_call"]["arguments"].get<std::string>();
    first = false;
  }
  EXPECT_EQ(name, "find");
  EXPECT_EQ(arguments, "{\"q\":1}");
}

TEST(LegacyFunctions, RequestsAreSaidAgainWithTools) {
  Json body = parse_json(R"({"functions": [{"name": "f", "parameters": {}}],
    "function_call": {"name": "f"}, "messages": [{"role": "user", "content": "x"},
    {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "7"}]})")
                  .value();
  EXPECT_TRUE(lift_legacy_functions(body).value());
  const Json wanted = parse_json(R"({"messages": [{"role": "user", "content": "x"},
    {"role": "assistant", "content": null, "tool_calls":
      [{"id": "call00001", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "name": "f", "content": "7", "tool_call_id": "call00001"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "parallel_tool_calls": false,
    "tool_choice": {"type": "function", "function": {"name": "f"}}})")
                          .value();
  EXPECT_EQ(body, wanted);
  EXPECT_FALSE(lift_legacy_functions(body).value()) << "tools stay what they are";
  EXPECT_EQ(body, wanted);
}

TEST(LegacyFunctions, ErrorsNameTheOldFields) {
  TestServer server;
  const Json functions = {{{"name", "f"}}};
  const auto param = [&](const Json& more) {
    return param_of(post(server.port(), kChatPath, chat_body(more)));
  };
  const auto message = [&](const Json& more) {
    const Answer answer = post(server.port(), kChatPath, chat_body(more));
    return answer.json()["error"]["message"].get<std::string>();
  };
  EXPECT_EQ(param({{"functions", {functions[0], {{"name", 5}}}}}), "functions[1].name");
  EXPECT_EQ(message({{"functions", {functions[0], {{"name", 5}}}}}),
            "functions[1].name must be a text of 1 to 256 bytes");
  EXPECT_EQ(param({{"functions", {{{"name", "f"}, {"parameters", 1}}}}}),
            "functions[0].parameters");
  EXPECT_EQ(message({{"functions", functions}, {"function_call", {{"name", "tools"}}}}),
            "function_call names \"tools\", which is not in functions");
  EXPECT_EQ(param({{"functions", functions}, {"function_call", {{"name", "g"}}}}), "function_call");
  EXPECT_EQ(param({{"functions", functions}, {"function_call", "required"}}), "function_call");
  EXPECT_EQ(param({{"functions", functions}, {"tools", Json::array()}}), "functions");
  EXPECT_EQ(param({{"function_call", {{"name", "g"}}}}), "function_call");
  EXPECT_EQ(param({{"tool_choice", "auto"}, {"function_call", "none"}}), "function_call");
  EXPECT_EQ(post(server.port(), kChatPath,
                 chat_body({{"functions", functions}, {"function_call", "auto"}}))
                .status,
            200);
  EXPECT_EQ(post(server.port(), kChatPath, chat_body({{"function_call", "none"}})).status, 200);
}

TEST(RequestTemplate, IsRefusedUnlessTrusted) {
  TestServer server;
  const Json body = chat_body({{"chat_template", "{{ messages[0].content }}"}});
  for (const char* path : {kChatPath, "/tokenize", "/apply-template"}) {
    Json asked = {{"messages", body["messages"]}, {"chat_template", body["chat_template"]}};
    const Answer answer = post(server.port(), path, asked);
    EXPECT_EQ(param_of(answer), "chat_template") << path;
    EXPECT_NE(answer.body.find("--trust-request-chat-template"), std::string::npos);
  }
}

TEST(Native, HasTheShapeOfLlamaCppsServer) {
  TestServer server;
  const Json body = {{"prompt", "abc"}, {"n_predict", 4}, {"return_tokens", true}, {"seed", 7}};
  const std::string text = fake_text("abc", 0, 4);
  const Json whole = post(server.port(), kNativePath, body).json();
  EXPECT_EQ(whole["content"], text);
  EXPECT_EQ(whole["tokens"], ids_of(text));
  EXPECT_EQ(whole["stop"], true);
  EXPECT_EQ(whole["stop_type"], "limit");
  EXPECT_EQ(whole["prompt"], "abc");
  EXPECT_EQ(whole["tokens_predicted"], 4);
  EXPECT_EQ(whole["tokens_evaluated"], 3);
  EXPECT_EQ(whole["generation_settings"]["n_predict"], 4);
  EXPECT_EQ(whole["generation_settings"]["seed"], 7);
  EXPECT_FALSE(whole.contains("completion_probabilities"));
  EXPECT_EQ(
      post(server.port(), "/completions", {{"prompt", "abc"}, {"n_predict", 4}}).json()["tokens"],
      Json::array())
      << "tokens are told where they are asked for";

  Json streamed = body;
  streamed["stream"] = true;
  const Answer answer = post(server.port(), kNativePath, streamed);
  std::string content;
  Json last;
  for (const std::string& event : answer.events()) {
    ASSERT_NE(event, "[DONE]") << "the end has stop: true";
    last = parse_json(event).value();
    content += last["content"];
  }
  EXPECT_EQ(content, text);
  EXPECT_EQ(joined(answer, "tokens"), ids_of(text));
  EXPECT_EQ(last["stop"], true);
  EXPECT_EQ(last["generation_settings"], whole["generation_settings"]);
}

TEST(Native, Probabilities) {
  TestServer server;
  const Json body = {{"prompt", "abc"}, {"n_predict", 3}, {"n_probs", 2}};
  const std::string text = fake_text("abc", 0, 3);
  const Json list = post(server.port(), kNativePath, body).json()["completion_probabilities"];
  ASSERT_EQ(list.size(), 3u);
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i]["id"], static_cast<int>(text[i]));
    EXPECT_EQ(list[i]["token"], std::string(1, text[i]));
    EXPECT_EQ(list[i]["bytes"], Json::array({static_cast<int>(text[i])}));
    EXPECT_LE(list[i]["logprob"].get<double>(), 0);
    ASSERT_EQ(list[i]["top_logprobs"].size(), 2u);
    EXPECT_TRUE(list[i]["top_logprobs"][0].contains("logprob"));
  }
  Json streamed = body;
  streamed["stream"] = true;
  EXPECT_EQ(joined(post(server.port(), kNativePath, streamed), "completion_probabilities"), list);

  Json after = body;
  after["post_sampling_probs"] = true;
  const Json drawn = post(server.port(), kNativePath, after).json()["completion_probabilities"];
  EXPECT_TRUE(server.engine().last().sampling.logprobs_drawn);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const double logprob = list[i]["logprob"].get<double>();
    EXPECT_NEAR(drawn[i]["prob"].get<double>(), std::exp(logprob), 1e-9);
    EXPECT_EQ(drawn[i]["top_probs"].size(), 2u);
    EXPECT_FALSE(drawn[i].contains("logprob"));
  }
  EXPECT_EQ(param_of(post(server.port(), kNativePath, {{"prompt", "a"}, {"n_probs", 21}})),
            "n_probs");
}

TEST(Native, FieldsOfTheAnswerCanBeChosen) {
  TestServer server;
  const Json body = {{"prompt", "abc"},
                     {"n_predict", 2},
                     {"response_fields", {"content", "generation_settings/n_predict", "nothing"}}};
  const Json answer = post(server.port(), kNativePath, body).json();
  EXPECT_EQ(answer,
            Json({{"content", fake_text("abc", 0, 2)}, {"generation_settings/n_predict", 2}}));
  EXPECT_EQ(param_of(post(server.port(), kNativePath, {{"prompt", "a"}, {"response_fields", {1}}})),
            "response_fields");
}

TEST(Native, StopsAreTold) {
  TestServer server;
  const std::string text = fake_text("abc", 0, 30);
  const auto ended = [&](Json body) {
    body.update({{"prompt", "abc"}, {"n_predict", 30}});
    return post(server.port(), kNativePath, body).json();
  };
  const Json token = ended({{"stop_token_ids", Json::array({static_cast<int>(text[12])})}});
  EXPECT_EQ(token["stop_type"], "eos") << "a token's id is no word";
  EXPECT_EQ(token["stopping_word"], "");
  const Json word = ended({{"stop", text.substr(12, 2)}});
  EXPECT_EQ(word["stop_type"], "word");
  EXPECT_EQ(word["stopping_word"], text.substr(12, 2));
}

TEST(Native, AnEmptyAnswerBringsThePromptIntoTheCache) {
  TestServer server;
  const Json answer =
      post(server.port(), kNativePath, {{"prompt", "abc"}, {"n_predict", 0}}).json();
  EXPECT_EQ(answer["content"], "");
  EXPECT_EQ(answer["tokens_predicted"], 0);
  EXPECT_EQ(answer["tokens_evaluated"], 3);
  EXPECT_EQ(param_of(post(server.port(), kNativePath, {{"prompt", "abc"}, {"max_tokens", 0}})),
            "max_tokens");
  EXPECT_EQ(param_of(post(server.port(), kChatPath,
                          {{"messages", {{{"role", "user"}, {"content", "hi"}}}},
                           {"max_completion_tokens", 0}})),
            "max_completion_tokens");
}

TEST(Native, WarningsOfTheSamplingAreKept) {
  TestServer server;
  const Json answer = post(server.port(), kNativePath,
                           {{"prompt", "abc"},
                            {"n_predict", 1},
                            {"something_new", 1},
                            {"repeat_penalty", 1.5},
                            {"repetition_penalty", 1.5}})
                          .json();
  EXPECT_EQ(answer["warnings"],
            Json::array({"unknown field \"something_new\" was ignored",
                         "repeat_penalty has no effect beside repetition_penalty"}));
}

TEST(Native, PromptsOfManyKinds) {
  TestServer server;
  const Json two =
      post(server.port(), kNativePath, {{"prompt", {"ab", "c"}}, {"n_predict", 2}}).json();
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0]["content"], fake_text("ab", 0, 2));
  EXPECT_EQ(two[1]["content"], fake_text("c", 0, 2));
  EXPECT_EQ(two[1]["index"], 1);
  EXPECT_EQ(two[1]["tokens_evaluated"], 1);
  const Json mixed = {{"prompt", {97, "bc"}}, {"n_predict", 2}};
  EXPECT_EQ(post(server.port(), kNativePath, mixed).json()["content"], fake_text("abc", 0, 2));
  EXPECT_EQ(param_of(post(server.port(), kNativePath, {{"prompt", {97, "b", -1}}})), "prompt");
  const Json kinds = {{"prompt", {"ab", Json::array({97, "b"}), Json::array({97, 98})}},
                      {"n_predict", 2}};
  const Json three = post(server.port(), kNativePath, kinds).json();
  ASSERT_EQ(three.size(), 3u);
  for (const Json& one : three) EXPECT_EQ(one["content"], fake_text("ab", 0, 2));
  for (const Json& bad : {Json::array({"a", nullptr}), Json::array({"a", Json::array()}),
                          Json::array({Json::object()}), Json::array()}) {
    const std::string param = param_of(post(server.port(), kNativePath, {{"prompt", bad}}));
    EXPECT_TRUE(param.starts_with("prompt")) << bad << " " << param;
  }
}

TEST(Probabilities, OpenAisAnswersTakeLlamaCppsName) {
  TestServer server;
  const Json chat = post(server.port(), kChatPath, chat_body({{"n_probs", 2}})).json();
  EXPECT_EQ(chat["choices"][0]["logprobs"]["content"][0]["top_logprobs"].size(), 2u);
  const Json text =
      post(server.port(), kCompletionPath, {{"prompt", "a"}, {"max_tokens", 1}, {"n_probs", 2}})
          .json();
  EXPECT_EQ(text["choices"][0]["logprobs"]["tokens"].size(), 1u);
  EXPECT_EQ(param_of(post(server.port(), kCompletionPath,
                          {{"prompt", "a"}, {"post_sampling_probs", true}})),
            "post_sampling_probs");
}

}  // namespace
}  // namespace quire::server
