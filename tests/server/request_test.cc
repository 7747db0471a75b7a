// Validation of requests, field by field, without sockets. For plain fields the table of fields is
// turned against itself: every row must refuse a wrong type and values outside its range.
#include <gtest/gtest.h>

#include <ctime>

#include "base/rng.h"
#include "engine/grammar/matcher.h"
#include "engine/stop_pattern.h"
#include "server/openai_request.h"
#include "tests/server/fake_engine.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

class Request : public ::testing::Test {
 protected:
  Request()
      : engine_(FakeEngineOptions{}),
        grammars_(engine_.tokenizer(), engine_.card().vocab),
        backend_(fake_backend(engine_)) {
    backend_.grammars = &grammars_;
  }

  tl::expected<GenerationPlan, ApiError> plan(Endpoint endpoint, const std::string& body) {
    return plan_generation(endpoint, body, backend_, policy_);
  }
  // "ok", or "STATUS code param".
  std::string outcome(Endpoint endpoint, const Json& fields) {
    Json body = endpoint == kChat ? Json{{"messages", {{{"role", "user"}, {"content", "hi"}}}}}
                                  : Json{{"prompt", "hi"}};
    for (const auto& [name, value] : fields.items()) body[name] = value;
    const auto planned = plan(endpoint, dump_json(body));
    if (planned) return "ok";
    return fmt::format("{} {} {}", planned.error().kind.status, planned.error().kind.code,
                       planned.error().param);
  }
  std::string completion(const Json& fields) { return outcome(kCompletions, fields); }
  std::string chat(const Json& fields) { return outcome(kChat, fields); }
  engine::SamplingParams sampling(const Json& fields) {
    Json body = fields;
    body["prompt"] = "hi";
    return plan(kCompletions, dump_json(body)).value().prompts[0].request.sampling;
  }

  FakeEngine engine_;
  grammar::GrammarStore grammars_;
  Backend backend_;
  RequestPolicy policy_;
};

// Values that the row must refuse: wrong types, and just outside its range.
std::vector<Json> refused_values(const FieldSpec& spec) {
  std::vector<Json> values{spec.type == FieldType::kString ? Json(1) : Json("1")};
  if (spec.type != FieldType::kBool) values.emplace_back(true);
  if (spec.type == FieldType::kInteger) values.emplace_back(1.5);
  const bool is_number = spec.type == FieldType::kInteger || spec.type == FieldType::kNumber;
  if (is_number && spec.min > -1e300) values.emplace_back(spec.min - 1);
  if (is_number && spec.max < 1e15) values.emplace_back(spec.max + 1);
  return values;
}

TEST_F(Request, EveryRowRefusesAWrongTypeAndValuesOutsideItsRange) {
  for (const FieldSpec& spec : field_specs()) {
    if (spec.state != FieldState::kSupported || spec.type == FieldType::kAny) continue;
    for (const Endpoint endpoint : {kChat, kCompletions}) {
      if ((spec.endpoints & endpoint) == 0) continue;
      const std::string name(spec.name);
      for (const Json& value : refused_values(spec)) {
        EXPECT_EQ(outcome(endpoint, {{name, value}}), "400  " + name) << value;
      }
      const std::string of_null = name == "messages" ? "400  messages" : "ok";
      EXPECT_EQ(outcome(endpoint, {{name, nullptr}}), of_null) << name;
    }
  }
}

TEST_F(Request, RefusedFieldsTakeOnlyTheirNeutralValues) {
  for (const FieldSpec& spec : field_specs()) {
    if (spec.state != FieldState::kRefused) continue;
    for (const Endpoint endpoint : {kChat, kCompletions}) {
      if ((spec.endpoints & endpoint) == 0) continue;
      const std::string name(spec.name);
      EXPECT_EQ(outcome(endpoint, {{name, "something"}}), "400 unsupported_field " + name);
      EXPECT_EQ(outcome(endpoint, {{name, nullptr}}), "ok") << name;
      std::string_view rest = spec.neutral;
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        EXPECT_EQ(outcome(endpoint, {{name, parse_json(rest.substr(0, end)).value()}}), "ok")
            << name;
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
  }
  EXPECT_EQ(completion({{"length_penalty", 1}}), "ok") << "1 and 1.0 are the same number";
}

TEST_F(Request, ReadsWhatLlamaCppsClientsSend) {
  using engine::ChainStep;
  const engine::SamplingParams params =
      sampling({{"samplers", {"dry", "top_k", "xtc", "temperature"}},
                {"dry_multiplier", 0.8},
                {"dry_sequence_breakers", {"\n"}},
                {"repeat_penalty", 1.1},
                {"mirostat", 2},
                {"t_max_predict_ms", 50}});
  EXPECT_EQ(params.chain,
            (std::vector{ChainStep::kTopK, ChainStep::kXtc, ChainStep::kTemperature}));
  EXPECT_EQ(params.repeat_penalty, 1) << "penalties are not among the samplers";
  EXPECT_FLOAT_EQ(params.dry.multiplier, 0.8f);
  EXPECT_FALSE(params.dry.breakers.empty());
  EXPECT_EQ(params.mirostat, 2);
  EXPECT_EQ(params.predict_ms_max, 50);
  EXPECT_EQ(sampling({{"samplers", "edkt"}}).chain,
            (std::vector{ChainStep::kTopK, ChainStep::kTemperature}));
  EXPECT_FLOAT_EQ(sampling({{"repeat_penalty", 1.1}}).repeat_penalty, 1.1f);
  EXPECT_FALSE(sampling({{"temperature", 1}, {"top_p", 0.9}}).uses_chain());
  EXPECT_EQ(completion({{"samplers", {"top_k", "dry"}}}), "400 unsupported_field samplers");
  EXPECT_EQ(completion({{"samplers", {"top_q"}}}), "400  samplers");
  EXPECT_EQ(sampling({{"bad_words", {"hi"}}}).bad_words.empty(), false);
  EXPECT_EQ(completion({{"bad_words", {" "}}}), "400  bad_words");
  EXPECT_EQ(sampling({{"stop_regex", {"a+b", "c"}}}).stop_pattern->source(), "(?:a+b)|(?:c)");
  EXPECT_EQ(completion({{"stop_regex", "a*"}}), "400  stop_regex");
  EXPECT_EQ(
      completion({{"guided_json", {{"type", "object"}}}, {"guided_whitespace_pattern", "[ ]?"}}),
      "ok");
  EXPECT_EQ(completion({{"guided_json", {{"type", "object"}}}, {"guided_whitespace_pattern", "x"}})
                .substr(0, 3),
            "400");
}

TEST_F(Request, IgnoredFieldsMayBeAnything) {
  EXPECT_EQ(chat({{"user", {1, 2}}, {"metadata", "x"}, {"cache_prompt", 3}}), "ok");
}

TEST_F(Request, UnknownFields) {
  EXPECT_EQ(completion({{"temprature", 1}}), "400 unknown_field temprature");
  EXPECT_EQ(completion({{"max_token", 1}}), "400 unknown_field max_token");
  EXPECT_EQ(completion({{"top_kk", 1}}), "400 unknown_field top_kk");
  EXPECT_EQ(completion({{"zzzzz", 1}}), "ok");
  policy_.strict_fields = true;
  EXPECT_EQ(completion({{"zzzzz", 1}}), "400 unknown_field zzzzz");
}

TEST_F(Request, CountsOfChoices) {
  for (const Json& bad : {Json(-1), Json(0), Json(17), Json(1'000'000), Json(2147483648),
                          Json(9223372036854775808ull), Json(1.5), Json("1"), Json(true)}) {
    EXPECT_EQ(completion({{"n", bad}}), "400  n") << bad;
  }
  EXPECT_EQ(completion({{"n", 16}}), "ok");
  EXPECT_EQ(completion({{"n", nullptr}}), "ok");
  EXPECT_EQ(completion({{"n", 2}, {"best_of", 2}}), "ok");
  EXPECT_EQ(completion({{"n", 1}, {"best_of", 2}}), "400 unsupported_field best_of");
}

TEST_F(Request, Prompts) {
  for (const Json& good : {Json("a"), Json(""), Json({1, 2}), Json({"a", "b"}),
                           Json::array({{1, 2}, {3}}), Json::array({""})}) {
    EXPECT_EQ(completion({{"prompt", good}}), "ok") << good;
  }
  for (const Json& bad : {Json::array(), Json(5), Json::object(), Json({1, "a"}), Json({"a", 1}),
                          Json::array({{1}, "a"}), Json({259}), Json({-1}), Json({1.5}),
                          Json({true}), Json(Json::array({nullptr})), Json(nullptr)}) {
    EXPECT_EQ(completion({{"prompt", bad}}), "400  prompt") << bad;
  }
  EXPECT_EQ(completion({{"prompt", Json::array({Json::array()})}}), "400  prompt[0]");
  EXPECT_EQ(completion({{"prompt", std::vector<std::string>(257, "a")}}), "400  prompt");
  EXPECT_EQ(chat({{"messages", Json::array()}}), "400  messages");
  EXPECT_EQ(chat({{"messages", {{{"role", "user"}}}}}), "400  messages");
}

TEST_F(Request, Lengths) {
  EXPECT_EQ(completion({{"max_tokens", 510}}), "ok");
  EXPECT_EQ(completion({{"max_tokens", 511}}), "400 context_length_exceeded prompt");
  EXPECT_EQ(completion({{"prompt", std::string(511, 'a')}}), "ok");
  EXPECT_EQ(completion({{"prompt", std::string(512, 'a')}}), "400 context_length_exceeded prompt");
  EXPECT_EQ(chat({{"max_completion_tokens", 9999}}), "400 context_length_exceeded messages");
  EXPECT_EQ(completion({{"max_tokens", 0}}), "400  max_tokens");
  EXPECT_EQ(completion({{"max_tokens", 0}, {"echo", true}}), "ok");
  EXPECT_EQ(completion({{"max_tokens", 0}, {"prompt_logprobs", 1}}), "ok");
  EXPECT_EQ(completion({{"min_tokens", 6}, {"max_tokens", 5}}), "400  min_tokens");
  EXPECT_EQ(sampling(Json::object()).max_tokens, 510) << "what the context leaves";
  EXPECT_EQ(plan(kCompletions, R"({"prompt":"hi","max_tokens":600})").error().numbers.size(), 3u);
}

TEST_F(Request, Truncation) {
  const auto prompt_of = [&](const Json& fields) {
    Json body = fields;
    body["prompt"] = "abcdef";
    return plan(kCompletions, dump_json(body)).value().prompts[0].request.prompt;
  };
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(prompt_of({{"truncate_prompt_tokens", 2}}), (Ids{'e', 'f'}));
  EXPECT_EQ(prompt_of({{"truncate_prompt_tokens", 2}, {"truncation_side", "right"}}),
            (Ids{'a', 'b'}));
  EXPECT_EQ(prompt_of({{"truncate_prompt_tokens", -1}}).size(), 6u);
  EXPECT_EQ(prompt_of({{"truncate_prompt_tokens", -1}, {"max_tokens", 510}}), (Ids{'e', 'f'}));
  EXPECT_EQ(completion({{"truncate_prompt_tokens", 0}}), "400  truncate_prompt_tokens");
}

TEST_F(Request, StopsAndBiases) {
  EXPECT_EQ(sampling({{"stop", "x"}}).stop, std::vector<std::string>{"x"});
  EXPECT_EQ(completion({{"stop", {"a", "b"}}}), "ok");
  EXPECT_EQ(completion({{"stop", std::vector<std::string>(17, "a")}}), "400  stop");
  EXPECT_EQ(completion({{"stop", std::string(257, 'a')}}), "400  stop");
  EXPECT_EQ(completion({{"stop", ""}}), "400  stop");
  EXPECT_EQ(completion({{"stop", {1}}}), "400  stop");
  using Biases = std::vector<std::pair<std::int32_t, float>>;
  EXPECT_EQ(sampling({{"logit_bias", {{"97", 1.5}}}}).logit_bias, (Biases{{97, 1.5f}}));
  EXPECT_EQ(sampling({{"logit_bias", Json::array({{97, -100}})}}).logit_bias,
            (Biases{{97, -100.0f}}));
  for (const char* key : {"-1", "259", "1e3", "0x1", "", "4294967296", " 1", "1 "}) {
    EXPECT_EQ(completion({{"logit_bias", {{key, 1}}}}), "400  logit_bias") << key;
  }
  EXPECT_EQ(completion({{"logit_bias", {{"1", 101}}}}), "400  logit_bias");
  EXPECT_EQ(completion({{"logit_bias", {{"1", "2"}}}}), "400  logit_bias");
  EXPECT_EQ(completion({{"stop_token_ids", {300}}}), "400  stop_token_ids");
  EXPECT_EQ(completion({{"allowed_token_ids", {"a"}}}), "400  allowed_token_ids");
  EXPECT_EQ(completion({{"allowed_token_ids", Json::array()}}), "400  allowed_token_ids");
}

TEST_F(Request, Logprobs) {
  EXPECT_EQ(completion({{"logprobs", 20}}), "ok");
  EXPECT_EQ(completion({{"logprobs", 21}}), "400  logprobs");
  EXPECT_EQ(chat({{"top_logprobs", 5}}), "400  top_logprobs");
  EXPECT_EQ(chat({{"top_logprobs", 5}, {"logprobs", true}}), "ok");
  EXPECT_EQ(chat({{"logprobs", 5}}), "400  logprobs");
  EXPECT_EQ(sampling({{"echo", true}, {"logprobs", 3}}).prompt_logprobs, 3);
  EXPECT_EQ(sampling({{"logprobs", 0}}).logprobs, 0);
}

TEST_F(Request, WhatIsNotEnforcedIsRefused) {
  EXPECT_EQ(chat({{"response_format", {{"type", "text"}}}}), "ok");
  EXPECT_EQ(chat({{"response_format", {{"type", "json_object"}}}}), "ok");
  EXPECT_EQ(chat({{"response_format", {{"type", "structural_tag"}}}}),
            "400 unsupported_field response_format.type");
  EXPECT_EQ(chat({{"tool_choice", "auto"}}), "ok");
  EXPECT_EQ(chat({{"tool_choice", "required"}}), "400  tool_choice");
  EXPECT_EQ(chat({{"stream_options", {{"include_usage", true}}}}), "400  stream_options");
  EXPECT_EQ(chat({{"stream", true}, {"stream_options", {{"include_usage", 1}}}}),
            "400  stream_options.include_usage");
  EXPECT_EQ(chat({{"add_generation_prompt", true}, {"continue_final_message", true}}),
            "400  continue_final_message");
}

TEST_F(Request, BodiesThatAreNoRequest) {
  for (const char* body : {"", "{", "[]", "1", "null", "{\"prompt\":\"a\"} x", "{\"prompt\":1e999}",
                           "{\"prompt\":NaN}", "{\"prompt\":\"\\ud800\"}", "{\"prompt\":\"\xff\"}",
                           "{\"prompt\":\"a\",\"prompt\":\"b\"}"}) {
    const auto planned = plan(kCompletions, body);
    ASSERT_FALSE(planned.has_value()) << body;
    EXPECT_EQ(planned.error().kind.status, 400) << body;
  }
  EXPECT_FALSE(plan(kCompletions, std::string(100'000, '[')).has_value());
}

TEST_F(Request, ModelAndDefaults) {
  EXPECT_EQ(completion({{"model", "fake"}}), "ok");
  EXPECT_EQ(completion({{"model", "org/alias"}}), "ok");
  EXPECT_EQ(completion({{"model", "other"}}), "404 model_not_found model");
  const engine::SamplingParams plain = sampling(Json::object());
  EXPECT_EQ(plain.temperature, 1.0f);
  EXPECT_FALSE(plain.seed.has_value());
  EXPECT_EQ(sampling({{"seed", -2}}).seed, ~std::uint64_t{1});
  EXPECT_EQ(sampling({{"seed", -1}}).seed, std::nullopt) << "random, as in vLLM and llama.cpp";
  EXPECT_EQ(sampling({{"seed", 9223372036854775807}}).seed, 9223372036854775807u);
}

// Names are compared with every known field; a name as long as a body may be costs nothing.
TEST_F(Request, NamesAreBounded) {
  const std::clock_t before = std::clock();  // processor time: others may run besides
  EXPECT_EQ(completion({{std::string(1 << 20, 'x'), 1}}), "ok");
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC);
  Json many = Json::object();
  for (int i = 0; i < 600; ++i) many[fmt::format("some_other_field_{}", i)] = i;
  EXPECT_EQ(completion(many), "400  ");
}

TEST_F(Request, TemplateArguments) {
  const auto prompt_of = [&](const Json& fields) {
    Json body = fields;
    body["messages"] = {{{"role", "user"}, {"content", "x"}}};
    const auto planned = plan(kChat, dump_json(body)).value();
    std::string text;
    for (const std::int32_t id : planned.prompts[0].request.prompt) text += static_cast<char>(id);
    return text;
  };
  EXPECT_EQ(prompt_of(Json::object()), "user:x;a:");
  EXPECT_EQ(prompt_of({{"add_generation_prompt", false}}), "user:x;");
  EXPECT_EQ(prompt_of({{"continue_final_message", true}}), "user:x;");
  EXPECT_EQ(prompt_of({{"enable_thinking", true}}), "user:x;enable_thinking=true;thinking=true;a:");
  EXPECT_EQ(prompt_of({{"chat_template_kwargs", {{"k", 1}}}}), "user:x;k=1;a:");
  const Json tools = {{{"type", "function"}, {"function", {{"name", "f"}}}}};
  EXPECT_EQ(prompt_of({{"tools", tools}}), "user:x;tools;a:");
  EXPECT_EQ(prompt_of({{"tools", tools}, {"tool_choice", "none"}}), "user:x;a:");
  EXPECT_EQ(prompt_of({{"prediction", {{"type", "content"}, {"content", "abc"}}}}), "user:x;a:");
}

// Every integer field over the whole range of 64 bits: an answer or a 400, never a crash.
TEST_F(Request, RandomIntegers) {
  Rng rng(11);
  for (const FieldSpec& spec : field_specs()) {
    if (spec.type != FieldType::kInteger || (spec.endpoints & kCompletions) == 0) continue;
    for (int i = 0; i < 50; ++i) {
      const std::uint64_t bits = rng.bits() >> rng.below(64);
      const Json value =
          rng.below(2) == 0 ? Json(bits) : Json(-static_cast<std::int64_t>(bits >> 1));
      const std::string got = completion({{std::string(spec.name), value}});
      EXPECT_TRUE(got == "ok" || got.starts_with("400 ")) << spec.name << " " << value << got;
    }
  }
}

}  // namespace
}  // namespace quire::server
