// /v1/responses, /v1/messages and /infill. What a stream's events add up to must be what the whole
// answer says; the prompts that translations make are seen through the FakeEngine's template, and
// the event orders are those of OpenAI's and Anthropic's documentation.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "server/messages_writer.h"
#include "server/response_store.h"
#include "server/responses_writer.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

constexpr const char* kMessagesPath = "/v1/messages";
constexpr const char* kResponsesPath = "/v1/responses";

// The prompt that a request came to, as text.
std::string prompt_of(TestServer& server) {
  std::string out;
  for (const std::int32_t id : server.engine().last().prompt) out += static_cast<char>(id);
  return out;
}

struct Event {
  std::string name;
  Json data;
};

std::vector<Event> events_of(const std::string& stream) {
  std::vector<Event> out;
  for (std::size_t begin = 0; begin < stream.size();) {
    const std::size_t end = std::min(stream.find("\n\n", begin), stream.size());
    const std::string block = stream.substr(begin, end - begin);
    begin = end + 2;
    const std::size_t line = block.find('\n');
    if (!block.starts_with("event: ") || line == std::string::npos) {
      ADD_FAILURE() << "no named event: " << block;
      continue;
    }
    out.push_back({block.substr(7, line - 7), parse_json(block.substr(line + 7)).value()});
    EXPECT_EQ(out.back().data["type"], out.back().name);
  }
  return out;
}

// Text before and after reasoning, and between the calls: the order is part of the answer.
text::AnswerEvents scripted_events() {
  using Kind = text::AnswerEvent::Kind;
  return {{Kind::kContent, "Well. ", 0, {}},
          {Kind::kReasoning, "Let me think.", 0, {}},
          {Kind::kContent, "Looking it up.", 0, {}},
          {Kind::kCallBegin, "find", 0, "call_a"},
          {Kind::kArguments, "{\"q\":\"moon\"}", 0, {}},
          {Kind::kContent, "And then:", 0, {}},
          {Kind::kCallBegin, "now", 1, "call_b"},
          {Kind::kArguments, "{}", 1, {}},
          {Kind::kCallBegin, "now", 2, "call_c"},
          {Kind::kArguments, "{}", 2, {}}};
}

// The same answer in other events: every text is cut at random.
text::AnswerEvents cut_events(std::uint64_t seed) {
  text::AnswerEvents out;
  std::uint64_t draws = 0;
  for (const text::AnswerEvent& event : scripted_events()) {
    if (event.kind == text::AnswerEvent::Kind::kCallBegin) {
      out.push_back(event);
      continue;
    }
    for (std::size_t begin = 0; begin < event.text.size();) {
      const std::size_t size = 1 + random_bits(seed, draws++) % event.text.size();
      text::AnswerEvent part = event;
      part.text = event.text.substr(begin, size);
      begin += part.text.size();
      out.push_back(std::move(part));
    }
  }
  return out;
}

// One answer with reasoning, texts and three calls, in random pieces, streamed and whole.
struct Written {
  std::vector<Event> events;
  Json whole;
};

Written write_both(const WriterMaker& make, std::uint64_t seed) {
  FakeEngine engine({});
  GenerationPlan plan;
  plan.endpoint = kChat;
  plan.model = "fake";
  plan.prompts.emplace_back();
  plan.prompts.front().prompt_tokens = 12;
  std::vector<ChoiceState> choices(1);
  const engine::Output output;
  const auto streaming = make(plan, engine, "stream");
  const auto writer = make(plan, engine, "whole");
  // Calls tell(pieces of events) for the answer in pieces of one to four events.
  const auto in_pieces = [](const text::AnswerEvents& all, std::uint64_t key, const auto& tell) {
    std::uint64_t draws = 0;
    for (auto begin = all.begin(); begin != all.end();) {
      const auto size = 1 + static_cast<std::ptrdiff_t>(random_bits(key, draws++) % 4);
      const auto end = begin + std::min(size, all.end() - begin);
      tell(text::AnswerEvents(begin, end));
      begin = end;
    }
  };
  std::string bytes;
  in_pieces(cut_events(seed), seed + 1000, [&](const text::AnswerEvents& some) {
    choices[0].answer.apply(some);
    bytes += streaming->piece({0, &output, &some}, choices);
  });
  in_pieces(cut_events(seed + 1), seed + 2000, [&](const text::AnswerEvents& some) {
    writer->note({0, &output, &some});
  });
  choices[0].finish = engine::FinishReason::kStop;
  choices[0].usage.completion_tokens = 9;
  choices[0].usage.cached_tokens = 5;
  bytes += streaming->stream_end(choices);
  Written out;
  out.events = events_of(bytes);
  out.whole = parse_json(writer->whole(choices)).value();
  return out;
}

TEST(Messages, EventsAddUpToTheMessage) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Written written = write_both(make_messages_writer, seed);
    Json content = Json::array();
    std::string arguments;
    std::vector<std::string> names;
    Json stop;
    for (const Event& event : written.events) {
      if (names.empty() || names.back() != event.name) names.push_back(event.name);
      if (event.name == "content_block_start") {
        EXPECT_EQ(event.data["index"], content.size());
        content.push_back(event.data["content_block"]);
        arguments.clear();
      } else if (event.name == "content_block_delta") {
        const Json& delta = event.data["delta"];
        Json& block = content.back();
        if (delta["type"] == "input_json_delta") {
          arguments += delta["partial_json"];
          if (auto input = parse_json(arguments)) block["input"] = *input;
        } else if (delta["type"] == "text_delta") {
          block["text"] = block["text"].get<std::string>() + delta["text"].get<std::string>();
        } else if (delta["type"] == "thinking_delta") {
          block["thinking"] =
              block["thinking"].get<std::string>() + delta["thinking"].get<std::string>();
        }
      } else if (event.name == "message_delta") {
        stop = event.data["delta"]["stop_reason"];
        EXPECT_EQ(event.data["usage"], written.whole["usage"]);
      }
    }
    EXPECT_EQ(content, written.whole["content"]) << "seed " << seed;
    std::string types;
    for (const Json& block : content) types += block["type"].get<std::string>() + " ";
    EXPECT_EQ(types, "text thinking text tool_use text tool_use tool_use ");
    EXPECT_EQ(stop, "tool_use");
    EXPECT_EQ(stop, written.whole["stop_reason"]);
    EXPECT_EQ(names.front(), "message_start");
    EXPECT_EQ(names[1], "ping");
    EXPECT_EQ(names.back(), "message_stop");
  }
}

TEST(Messages, UsageCountsCachedTokensApart) {
  const Json usage = write_both(make_messages_writer, 1).whole["usage"];
  EXPECT_EQ(usage["input_tokens"], 7);
  EXPECT_EQ(usage["cache_read_input_tokens"], 5);
  EXPECT_EQ(usage["output_tokens"], 9);
}

TEST(Responses, EventsAddUpToTheResponse) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto context = std::make_shared<ResponseContext>();
    const Written written = write_both(make_responses_writer(context), seed);
    Json output = Json::array();
    std::string text;
    for (std::size_t i = 0; i < written.events.size(); ++i) {
      const Event& event = written.events[i];
      EXPECT_EQ(event.data["sequence_number"], i);
      if (event.name == "response.output_item.added") {
        EXPECT_EQ(event.data["output_index"], output.size());
        output.push_back(event.data["item"]);
        text.clear();
      } else if (event.name.ends_with(".delta")) {
        EXPECT_EQ(event.data["item_id"], output.back()["id"]);
        text += event.data["delta"];
      } else if (event.name == "response.output_text.done" ||
                 event.name == "response.reasoning_text.done") {
        EXPECT_EQ(event.data["text"], text);
      } else if (event.name == "response.function_call_arguments.done") {
        EXPECT_EQ(event.data["arguments"], text);
      } else if (event.name == "response.output_item.done") {
        output.back() = event.data["item"];
      }
    }
    const Json& last = written.events.back().data["response"];
    EXPECT_EQ(written.events.front().name, "response.created");
    EXPECT_EQ(written.events.back().name, "response.completed");
    EXPECT_EQ(output, last["output"]);
    ASSERT_EQ(output.size(), 7u);
    for (std::size_t i = 0; i < output.size(); ++i) {
      Json streamed = output[i];
      Json whole = written.whole["output"][i];
      streamed.erase("id");
      whole.erase("id");
      EXPECT_EQ(streamed, whole);
    }
    EXPECT_EQ(last["usage"], written.whole["usage"]);
  }
}

TEST(Messages, BlocksBecomeMessages) {
  TestServer server;
  const Json body = {
      {"max_tokens", 4},
      {"system",
       {{{"type", "text"}, {"text", "x-anthropic-billing-header: cc=1;\n"}},
        {{"type", "text"}, {"text", "be brief"}, {"cache_control", {{"type", "ephemeral"}}}}}},
      {"messages",
       {{{"role", "user"}, {"content", {{{"type", "text"}, {"text", "moon?"}}}}},
        {{"role", "assistant"},
         {"content",
          {{{"type", "thinking"}, {"thinking", "hm"}, {"signature", "s"}},
           {{"type", "text"}, {"text", "looking"}},
           {{"type", "tool_use"}, {"id", "t1"}, {"name", "find"}, {"input", {{"q", 1}}}}}}},
        {{"role", "user"},
         {"content",
          {{{"type", "tool_result"}, {"tool_use_id", "t1"}, {"content", "big"}},
           {{"type", "text"}, {"text", "and?"}}}}}}}};
  const Answer answer = post(server.port(), kMessagesPath, body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(prompt_of(server),
            "system:be brief;user:moon?;assistant:looking;tool:big;user:and?;a:");
  const Json json = answer.json();
  EXPECT_EQ(json["type"], "message");
  EXPECT_EQ(json["content"][0]["text"], fake_text(prompt_of(server), 0, 4));
  EXPECT_EQ(json["stop_reason"], "max_tokens");
}

TEST(Messages, SystemMessagesAreJoinedInFront) {
  TestServer server;
  const Json body = {{"max_tokens", 1},
                     {"system", "one"},
                     {"messages",
                      {{{"role", "user"}, {"content", "a"}},
                       {{"role", "system"}, {"content", {{{"type", "text"}, {"text", "two"}}}}},
                       {{"role", "user"}, {"content", "b"}}}}};
  ASSERT_EQ(post(server.port(), kMessagesPath, body).status, 200);
  EXPECT_EQ(prompt_of(server), "system:one\n\ntwo;user:a;user:b;a:");
}

// The words that Anthropic's clients look for before they shorten a conversation.
TEST(Messages, TooLongPromptsAreCalledSo) {
  TestServer server;
  const Json body = {{"max_tokens", 100'000}, {"messages", {{{"role", "user"}, {"content", "a"}}}}};
  const Answer answer = post(server.port(), kMessagesPath, body);
  EXPECT_EQ(answer.status, 400);
  const std::string message = answer.json()["error"]["message"];
  EXPECT_TRUE(message.starts_with("prompt is too long: this model's maximum context length is 512"))
      << message;
}

TEST(Messages, ErrorsHaveAnthropicsShape) {
  TestServer server;
  const auto error_of = [](const Answer& answer) {
    const Json json = answer.json();
    EXPECT_EQ(json["type"], "error");
    return json["error"]["type"].get<std::string>();
  };
  const Json good = {{"max_tokens", 4}, {"messages", {{{"role", "user"}, {"content", "a"}}}}};
  Json bad = good;
  bad.erase("max_tokens");
  EXPECT_EQ(error_of(post(server.port(), kMessagesPath, bad)), "invalid_request_error");
  bad = good;
  bad["model"] = "other";
  const Answer missing = post(server.port(), kMessagesPath, bad);
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(error_of(missing), "not_found_error");
  AccessRules rules;
  ASSERT_TRUE(rules.keys.add("k"));
  server.service().guard(rules);
  EXPECT_EQ(error_of(post(server.port(), kMessagesPath, good)), "authentication_error");
}

// The FakeEngine knows no stop strings: what it is asked is looked at, and the end is scripted.
TEST(Messages, StopSequencesAreNamed) {
  TestServer server;
  const Json body = {{"max_tokens", 4},
                     {"stop_sequences", {"fin", "end"}},
                     {"messages", {{{"role", "user"}, {"content", "a"}}}}};
  EXPECT_EQ(post(server.port(), kMessagesPath, body).status, 200);
  EXPECT_EQ(server.engine().last().sampling.stop, (std::vector<std::string>{"fin", "end"}));

  GenerationPlan plan;
  plan.endpoint = kChat;
  plan.prompts.emplace_back();
  std::vector<ChoiceState> choices(1);
  choices[0].answer.content = "the ";
  choices[0].finish = engine::FinishReason::kStop;
  choices[0].stop_reason = "end";
  const auto writer = make_messages_writer(plan, server.engine(), "id");
  const Json json = parse_json(writer->whole(choices)).value();
  EXPECT_EQ(json["stop_reason"], "stop_sequence");
  EXPECT_EQ(json["stop_sequence"], "end");
  choices[0].stop_reason.clear();
  choices[0].stop_token_id = 5;
  EXPECT_EQ(parse_json(writer->whole(choices)).value()["stop_reason"], "end_turn");
}

TEST(Messages, CountTokens) {
  TestServer server;
  const Json body = {{"messages", {{{"role", "user"}, {"content", std::string(4000, 'a')}}}}};
  const Answer answer = post(server.port(), "/v1/messages/count_tokens", body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["input_tokens"], 4000 + 8) << "longer than the context, yet countable";
}

TEST(Responses, ItemsBecomeMessages) {
  TestServer server;
  const Json body = {
      {"instructions", "be brief"},
      {"max_output_tokens", 3},
      {"input",
       {{{"role", "developer"}, {"content", "no jokes"}},
        {{"role", "user"}, {"content", {{{"type", "input_text"}, {"text", "moon?"}}}}},
        {{"type", "reasoning"},
         {"summary", Json::array()},
         {"content", {{{"type", "reasoning_text"}, {"text", "hm"}}}}},
        {{"type", "function_call"}, {"call_id", "c"}, {"name", "find"}, {"arguments", "{}"}},
        {{"type", "function_call_output"}, {"call_id", "c"}, {"output", "big"}}}}};
  const Answer answer = post(server.port(), kResponsesPath, body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(prompt_of(server), "system:be brief\n\nno jokes;user:moon?;assistant:;tool:big;a:");
  const Json json = answer.json();
  EXPECT_EQ(json["status"], "incomplete");
  EXPECT_EQ(json["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(json["output"][0]["content"][0]["text"], fake_text(prompt_of(server), 0, 3));
  EXPECT_EQ(json["usage"]["output_tokens"], 3);
  EXPECT_EQ(json["instructions"], "be brief");
}

TEST(Responses, ContinueStoredOnes) {
  TestServer server;
  const auto ask = [&](Json body) {
    body["max_output_tokens"] = 5;
    return post(server.port(), kResponsesPath, body);
  };
  const Json first = ask({{"input", "one"}, {"instructions", "x"}}).json();
  const std::string said = first["output"][0]["content"][0]["text"];
  const Answer second = ask({{"input", "two"}, {"previous_response_id", first["id"]}});
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(prompt_of(server), "user:one;assistant:" + said + ";user:two;a:")
      << "instructions are not carried over";
  const std::string path = "/v1/responses/" + first["id"].get<std::string>();
  EXPECT_EQ(get(server.port(), path).json(), first);
  Client client(server.port());
  client.request("DELETE", path);
  EXPECT_TRUE(client.read().json()["deleted"]);
  EXPECT_EQ(get(server.port(), path).status, 404);
  const Answer lost = ask({{"input", "two"}, {"previous_response_id", first["id"]}});
  EXPECT_EQ(lost.status, 400);
  EXPECT_EQ(lost.json()["error"]["code"], "previous_response_not_found");
  const Json loose = ask({{"input", "one"}, {"store", false}}).json();
  EXPECT_EQ(get(server.port(), "/v1/responses/" + loose["id"].get<std::string>()).status, 404);
}

TEST(Responses, ErrorsNameTheClientsOwnFields) {
  TestServer server;
  const auto param = [&](const Json& body) {
    const Answer answer = post(server.port(), kResponsesPath, body);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.json()["error"]["param"].get<std::string>();
  };
  EXPECT_EQ(param({{"instructions", "x"}}), "input");
  EXPECT_EQ(param({{"input", {{{"type", "computer_call"}}}}}), "input[0]");
  EXPECT_EQ(param({{"input", "x"}, {"background", true}}), "background");
  EXPECT_EQ(param({{"input", "x"}, {"max_output_tokens", 100000}}), "input");
  EXPECT_EQ(param({{"input", "x"}, {"conversation", "c"}}), "conversation");
}

TEST(ResponseStore, ForgetsWhatIsOldOrTooMuch) {
  ResponseStore store({.entries = 2, .bytes = 100, .age = from_seconds(10)});
  const Time t0 = from_seconds(100);
  store.put("a", {"1", ""}, t0);
  store.put("b", {"2", ""}, t0);
  EXPECT_NE(store.get("a", t0), nullptr);
  store.put("c", {"3", ""}, t0);
  EXPECT_EQ(store.get("b", t0), nullptr) << "the least recently used one goes first";
  EXPECT_NE(store.get("a", t0), nullptr);
  store.put("big", {std::string(101, 'x'), ""}, t0);
  EXPECT_EQ(store.get("big", t0), nullptr);
  EXPECT_EQ(store.size(), 2u) << "what cannot be kept drives nothing out";
  EXPECT_EQ(store.get("a", t0 + from_seconds(11)), nullptr);
  EXPECT_EQ(store.size(), 0u);
}

TEST(Requests, AreListedAndCancelled) {
  TestOptions options = test_options();
  options.engine.context_max = 1'000'000;
  options.engine.step = from_seconds(0.002);
  TestServer server(options);
  Client running(server.port());
  running.post("/v1/completions", {{"prompt", "abc"}, {"max_tokens", 100000}, {"stream", true}},
               "X-Request-Id: job-1\r\n");
  ASSERT_TRUE(eventually([&] { return server.engine().tokens_made() > 0; }));
  Json listed;
  ASSERT_TRUE(eventually([&] {
    listed = get(server.port(), "/v1/requests").json();
    return listed["data"].size() == 1 && listed["data"][0]["state"] == "generating";
  }));
  EXPECT_EQ(listed["data"][0]["id"], "job-1");
  EXPECT_EQ(listed["data"][0]["prompt_tokens"], 3);
  Client other(server.port());
  other.request("DELETE", "/v1/requests/job-2");
  EXPECT_EQ(other.read().status, 404);
  other.request("DELETE", "/v1/requests/job-1");
  EXPECT_EQ(other.read().json()["count"], 1);
  const Answer answer = running.read();
  EXPECT_EQ(answer.field("X-Request-Id"), "job-1");
  const auto events = answer.events();
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(parse_json(events[events.size() - 2]).value()["error"]["code"], "request_cancelled");
  EXPECT_TRUE(eventually([&] { return server.engine().live() == 0; }));
  EXPECT_TRUE(get(server.port(), "/v1/requests").json()["data"].empty());
}

TEST(Infill, WithoutFimTokensItIsUnsupported) {
  TestServer server;
  const Answer answer =
      post(server.port(), "/infill", {{"input_prefix", "a"}, {"input_suffix", "b"}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json()["error"]["code"], "unsupported_endpoint");
  const Answer suffix = post(server.port(), "/v1/completions", {{"prompt", "a"}, {"suffix", "b"}});
  EXPECT_EQ(suffix.json()["error"]["param"], "suffix");
  EXPECT_EQ(
      post(server.port(), "/v1/completions", {{"prompt", "a"}, {"suffix", ""}, {"max_tokens", 1}})
          .status,
      200);
}

TEST(TokenizerInfo, HasTheSpecialTokens) {
  TestServer server;
  const Json info = get(server.port(), "/tokenizer_info").json();
  EXPECT_EQ(info["bos_token"], ByteTokenizer().token(ByteTokenizer::kBos));
  EXPECT_EQ(info["eos_token"], ByteTokenizer().token(ByteTokenizer::kEos));
  EXPECT_TRUE(info.contains("pad_token"));
  EXPECT_TRUE(info.contains("chat_template"));
}

}  // namespace
}  // namespace quire::server
