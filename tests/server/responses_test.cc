// /v1/responses over the FakeEngine, whose tokens are bytes and known: logprobs, truncation, ends.
// The orders of events and the states of a response are those of OpenAI's documentation.
#include <gtest/gtest.h>

#include "server/content_tokens.h"
#include "server/responses_writer.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

constexpr const char* kResponsesPath = "/v1/responses";

std::string param_of(const Answer& answer) {
  EXPECT_EQ(answer.status, 400) << answer.body;
  const Json param = answer.json()["error"]["param"];
  return param.is_string() ? param.get<std::string>() : "";
}

// The data of the events of a stream, each of which names its type.
std::vector<Json> events_of(const std::string& stream) {
  std::vector<Json> out;
  constexpr std::string_view kData = "\ndata: ";
  for (std::size_t at = stream.find(kData); at != std::string::npos;
       at = stream.find(kData, at + 1)) {
    const std::size_t begin = at + kData.size();
    out.push_back(parse_json(stream.substr(begin, stream.find('\n', begin) - begin)).value());
    EXPECT_EQ(out.back()["sequence_number"], out.size() - 1);
  }
  return out;
}

// The types of the events, runs of the same one told once.
std::string types_of(const std::vector<Json>& events) {
  std::string out, last;
  for (const Json& event : events) {
    std::string type = event["type"].get<std::string>().substr(std::string("response.").size());
    if (type == last) continue;
    out += (out.empty() ? "" : " ") + type;
    last = std::move(type);
  }
  return out;
}

Json text_item(const Json& response) { return response["output"][0]["content"][0]; }

TEST(Responses, LogprobsOfTheText) {
  TestServer server;
  const std::string text = fake_text("user:hi;a:", 0, 4);
  const Json plain = {{"input", "hi"}, {"max_output_tokens", 4}};
  EXPECT_TRUE(text_item(post(server.port(), kResponsesPath, plain).json())["logprobs"].empty());
  for (const Json& more :
       {Json{{"include", {"message.output_text.logprobs"}}}, Json{{"top_logprobs", 2}}}) {
    Json body = plain;
    body.update(more);
    const Json whole = text_item(post(server.port(), kResponsesPath, body).json());
    ASSERT_EQ(whole["logprobs"].size(), 4u);
    std::string tokens;
    for (const Json& one : whole["logprobs"]) {
      tokens += one["token"];
      EXPECT_EQ(one["top_logprobs"].size(), more.contains("top_logprobs") ? 2u : 0u);
    }
    EXPECT_EQ(tokens, text);
    body["stream"] = true;
    const std::string streamed = post(server.port(), kResponsesPath, body).body;
    Json deltas = Json::array();
    Json done;
    constexpr std::string_view kData = "\ndata: ";
    for (std::size_t at = streamed.find(kData); at != std::string::npos;
         at = streamed.find(kData, at + 1)) {
      const std::size_t begin = at + kData.size();
      const Json data =
          parse_json(streamed.substr(begin, streamed.find('\n', begin) - begin)).value();
      if (data["type"] == "response.output_text.delta") {
        for (const Json& one : data["logprobs"]) deltas.push_back(one);
      }
      if (data["type"] == "response.completed" || data["type"] == "response.incomplete") {
        done = text_item(data["response"]);
      }
    }
    EXPECT_EQ(deltas, whole["logprobs"]);
    EXPECT_EQ(done["logprobs"], whole["logprobs"]);
  }
}

std::vector<engine::OutputToken> tokens_of(std::initializer_list<std::string_view> texts) {
  std::vector<engine::OutputToken> out;
  for (const std::string_view text : texts) {
    out.push_back({text.empty() ? 'x' : text[0], 0, 0, {}, static_cast<std::int32_t>(text.size())});
  }
  return out;
}

std::string letters_of(const Json& list) {
  std::string out;
  for (const Json& one : list) out += one["token"];
  return out;
}

// Each token is shown by its first letter. "Yes" begins in a token that ends the reasoning.
TEST(Responses, TokensOfMarkersAndReasoningAreNoText) {
  const ByteTokenizer tokenizer;
  ContentTokens content(tokenizer);
  content.push(tokens_of({"hm", "m", "</t", ">Y", "es", " no", "<call>", "{"}),
               std::vector<text::TextSpan>{{7, 13}});
  EXPECT_EQ(letters_of(content.logprobs(2, 0)), ">e");
  EXPECT_EQ(letters_of(content.logprobs(4, 0)), " ") << "a token is told once";
  content.push(tokens_of({"}", "</call>", "Well"}), std::vector<text::TextSpan>{{28, 32}});
  EXPECT_EQ(letters_of(content.logprobs(4, 0)), "W");
}

TEST(Responses, TokensWithoutTextOfTheirOwn) {
  const ByteTokenizer tokenizer;
  ContentTokens content(tokenizer);
  // Two tokens are a character's bytes: the second brings it. A special one is hidden.
  auto tokens = tokens_of({"a", "", "bcd", "e"});
  tokens.insert(tokens.begin() + 3, {ByteTokenizer::kBos, 0, 0, {}});
  content.push(tokens, std::vector<text::TextSpan>{{0, 1}});
  EXPECT_EQ(letters_of(content.logprobs(1, 0)), "a") << "the rest is held back";
  content.push({}, std::vector<text::TextSpan>{{1, 5}});
  EXPECT_EQ(letters_of(content.logprobs(4, 0)), "xbe");
}

TEST(Responses, TruncationDropsTheOldestItems) {
  TestServer server;  // a context of 512 tokens
  Json input = Json::array();
  for (int i = 0; i < 8; ++i) {
    input.push_back({{"role", "user"}, {"content", std::string(60, static_cast<char>('a' + i))}});
    input.push_back({{"role", "assistant"}, {"content", std::string(60, 'z')}});
  }
  input.push_back({{"role", "user"}, {"content", "last"}});
  Json body = {{"input", input}, {"instructions", "be brief"}, {"max_output_tokens", 20}};
  const Answer refused = post(server.port(), kResponsesPath, body);
  EXPECT_EQ(param_of(refused), "input");
  EXPECT_EQ(refused.json()["error"]["code"], "context_length_exceeded");
  body["truncation"] = "auto";
  const Answer cut = post(server.port(), kResponsesPath, body);
  ASSERT_EQ(cut.status, 200) << cut.body;
  EXPECT_EQ(cut.json()["truncation"], "auto");
  EXPECT_EQ(cut.json()["warnings"][0], "truncation: the oldest 10 messages were left out")
      << "3 turns of 66 + 71 bytes, instructions, the last message and 20 tokens fit into 512";
  std::string prompt;
  for (const std::int32_t id : server.engine().last().prompt) prompt += static_cast<char>(id);
  EXPECT_TRUE(prompt.starts_with("system:be brief;user:ffff")) << prompt;
  EXPECT_TRUE(prompt.ends_with("user:last;a:")) << prompt;
  body["input"] = std::string(600, 'x');
  EXPECT_EQ(param_of(post(server.port(), kResponsesPath, body)), "input")
      << "nothing can be left out";
  body["max_output_tokens"] = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(post(server.port(), kResponsesPath, body).json()["error"]["code"],
            "context_length_exceeded");
  body["truncation"] = "middle";
  EXPECT_EQ(param_of(post(server.port(), kResponsesPath, body)), "truncation");
}

TEST(Responses, NothingIsSilentlyIgnored) {
  TestServer server;
  const auto param = [&](const Json& more) {
    Json body = {{"input", "hi"}, {"max_output_tokens", 2}};
    body.update(more);
    return param_of(post(server.port(), kResponsesPath, body));
  };
  EXPECT_EQ(param({{"reasoning", {{"effort", 0.5}}}}), "reasoning.effort");
  EXPECT_EQ(param({{"reasoning", {{"effort", "enormous"}}}}), "reasoning.effort");
  EXPECT_EQ(param({{"include", {"message.output_text.logprob"}}}), "include[0]");
  EXPECT_EQ(param({{"include", {5}}}), "include[0]");
  EXPECT_EQ(param({{"top_logprobs", 21}}), "top_logprobs");
  const Json told = post(server.port(), kResponsesPath,
                         {{"input", "hi"},
                          {"max_output_tokens", 2},
                          {"include", {"reasoning.encrypted_content"}},
                          {"reasoning", {{"effort", "low"}, {"depth", 3}}}})
                        .json();
  EXPECT_EQ(told["warnings"], Json::array({"unknown field \"reasoning.depth\" was ignored"}));
  const Answer anthropic = post(server.port(), "/v1/messages",
                                {{"max_tokens", 2},
                                 {"output_config", {{"effort", 3}}},
                                 {"messages", {{{"role", "user"}, {"content", "a"}}}}});
  EXPECT_EQ(anthropic.status, 400) << anthropic.body;
}

constexpr const char* kItemEvents =
    "created in_progress output_item.added content_part.added output_text.delta output_text.done "
    "content_part.done output_item.done ";

TEST(Responses, OrderOfEvents) {
  TestOptions options = test_options();
  options.engine.natural_length = 6;
  TestServer server(options);
  const auto types = [&](std::int64_t tokens) {
    return types_of(
        events_of(post(server.port(), kResponsesPath,
                       {{"input", "hi"}, {"max_output_tokens", tokens}, {"stream", true}})
                      .body));
  };
  EXPECT_EQ(types(20), kItemEvents + std::string("completed"));
  EXPECT_EQ(types(3), kItemEvents + std::string("incomplete"));
}

TEST(Responses, AreCancelledInMidStream) {
  TestOptions options = test_options();
  options.engine.context_max = 1'000'000;
  options.engine.step = from_seconds(0.002);
  TestServer server(options);
  Client client(server.port());
  client.post(kResponsesPath, {{"input", "hi"}, {"stream", true}});
  while (client.buffered().find("output_text.delta") == std::string::npos) {
    ASSERT_TRUE(client.read_some());
  }
  const std::size_t at = client.buffered().find("resp_");
  const std::string id = client.buffered().substr(at, client.buffered().find('"', at) - at);
  Client other(server.port());
  other.post("/v1/responses/" + id + "/cancel", Json::object());
  const Json told = other.read().json();
  EXPECT_EQ(told["status"], "cancelled");
  EXPECT_EQ(told["id"], id);
  const std::vector<Json> events = events_of("\n" + client.read().body);
  EXPECT_EQ(types_of(events),
            "created in_progress output_item.added content_part.added output_text.delta failed");
  std::string text;
  for (const Json& event : events) {
    if (event["type"] == "response.output_text.delta") text += event["delta"];
  }
  const Json last = events.back()["response"];
  EXPECT_EQ(last["status"], "cancelled");
  EXPECT_EQ(last["output"][0]["status"], "incomplete");
  EXPECT_EQ(last["output"][0]["content"][0]["text"], text);
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 0; }));
  EXPECT_EQ(get(server.port(), "/v1/responses/" + id).status, 404) << "nothing to go on from";
}

TEST(Responses, OnlyThoseInTheMakingAreCancelled) {
  TestServer server;
  const Json made =
      post(server.port(), kResponsesPath, {{"input", "a"}, {"max_output_tokens", 2}}).json();
  const auto cancel = [&](const std::string& id) {
    return post(server.port(), "/v1/responses/" + id + "/cancel", Json::object()).status;
  };
  EXPECT_EQ(cancel(made["id"]), 400);
  EXPECT_EQ(cancel("resp_0"), 404);
}

TEST(Responses, CountsTheTokensOfItsPrompt) {
  TestServer server;
  const Json body = {{"input", "hi"}, {"instructions", "be brief"}};
  const Json counted = post(server.port(), "/v1/responses/input_tokens", body).json();
  EXPECT_EQ(counted["object"], "response.input_tokens");
  Json asked = body;
  asked["max_output_tokens"] = 1;
  const Json made = post(server.port(), kResponsesPath, asked).json();
  EXPECT_EQ(counted["input_tokens"], made["usage"]["input_tokens"]);
}

}  // namespace
}  // namespace quire::server
