// The demo model through the whole engine against demo/expected.json, which Transformers computed
// in float32: prompt ids equal, log-probabilities within 1e-3, tokens equal up to the first place
// where the margin is below 0.01.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/engine.h"
#include "models/load/json.h"
#include "tests/engine/fake_engine.h"

namespace quire::engine {
namespace {

constexpr double kLogprobTolerance = 1e-3;
constexpr double kMarginMin = 0.01;

std::string demo() { return std::string(QUIRE_SOURCE_DIR) + "/demo"; }

Json expected_json() {
  std::ifstream file(demo() + "/expected.json");
  std::stringstream text;
  text << file.rdbuf();
  auto json = parse_json(text.str());
  CHECK(json, "{}", json.error().message);
  return *json;
}

class Demo : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineConfig config;
    config.model = demo();
    config.threads = 2;
    config.kv_cache_memory = "256M";
    auto made = create_engine(config);
    ASSERT_TRUE(made) << made.error().message;
    engine_ = std::move(*made);
    expected_ = expected_json();
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static GenerateRequest greedy(const Json& one) {
    GenerateRequest request;
    request.prompt = one["prompt_ids"].get<std::vector<std::int32_t>>();
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 64;
    request.sampling.logprobs = 5;
    return request;
  }

  static std::unique_ptr<Engine> engine_;
  static Json expected_;
};
std::unique_ptr<Engine> Demo::engine_;
Json Demo::expected_;

void expect_case(const Json& one, const Collector::Choice& answer) {
  const auto ids = one["new_ids"].get<std::vector<std::int32_t>>();
  bool comparable = true;
  for (std::size_t i = 0; i < ids.size() && comparable; ++i) {
    ASSERT_LT(i, answer.tokens.size());
    const OutputToken& token = answer.tokens[i];
    for (const Json& pair : one["top5"][i]) {
      const auto id = pair[0].get<std::int32_t>();
      for (const TokenLogprob& top : token.top) {
        if (top.id != id) continue;
        EXPECT_NEAR(top.logprob, pair[1].get<double>(), kLogprobTolerance) << "token " << i;
      }
    }
    EXPECT_NEAR(token.top[0].logprob, one["top5"][i][0][1].get<double>(), kLogprobTolerance);
    comparable = one["margin"][i].get<double>() >= kMarginMin || token.id == ids[i];
    if (comparable) {
      ASSERT_EQ(token.id, ids[i]) << "token " << i;
    }
  }
  if (!comparable) return;
  EXPECT_EQ(answer.tokens.size(), ids.size());
  EXPECT_EQ(answer.last.finish,
            one["finish"] == "stop" ? FinishReason::kStop : FinishReason::kLength);
}

TEST_F(Demo, PromptIdsEqual) {
  for (const Json& one : expected_["cases"]) {
    const auto ids = engine_->tokenizer().encode(one["prompt"].get<std::string>(),
                                                 {.add_special_tokens = false});
    ASSERT_TRUE(ids);
    EXPECT_EQ(*ids, one["prompt_ids"].get<std::vector<std::int32_t>>()) << one["name"];
  }
}

TEST_F(Demo, TokensAndLogprobsOneByOne) {
  for (const Json& one : expected_["cases"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    Collector collector(1);
    ASSERT_TRUE(engine_->submit(greedy(one), collector.sink()));
    ASSERT_TRUE(collector.wait());
    expect_case(one, collector.choice(0));
  }
}

// The demo's weights are bfloat16 and small, so that float16 loses next to nothing of them. With
// --dtype bfloat16, by contrast, activations are rounded: the tolerance tells the two apart.
TEST_F(Demo, Float16WeightsAreComputedWithInFloat32) {
  EngineConfig config;
  config.model = demo();
  config.threads = 2;
  config.kv_cache_memory = "64M";
  config.dtype = "float16";
  config.kv_cache_dtype = "float32";
  auto engine = create_engine(config);
  ASSERT_TRUE(engine) << engine.error().message;
  for (const Json& one : expected_["cases"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    Collector collector(1);
    ASSERT_TRUE((*engine)->submit(greedy(one), collector.sink()));
    ASSERT_TRUE(collector.wait());
    expect_case(one, collector.choice(0));
  }
}

TEST_F(Demo, TokensAndLogprobsAllTogether) {
  std::vector<std::unique_ptr<Collector>> collectors;
  for (const Json& one : expected_["cases"]) {
    collectors.push_back(std::make_unique<Collector>(1));
    ASSERT_TRUE(engine_->submit(greedy(one), collectors.back()->sink()));
  }
  for (std::size_t i = 0; i < collectors.size(); ++i) {
    SCOPED_TRACE(expected_["cases"][i]["name"].get<std::string>());
    ASSERT_TRUE(collectors[i]->wait());
    expect_case(expected_["cases"][i], collectors[i]->choice(0));
  }
}

TEST_F(Demo, TextEndsWithoutTheEndToken) {
  for (const Json& one : expected_["cases"]) {
    if (one["finish"] != "stop") continue;
    Collector collector(1);
    GenerateRequest request = greedy(one);
    request.sampling.skip_special_tokens = false;
    ASSERT_TRUE(engine_->submit(request, collector.sink()));
    ASSERT_TRUE(collector.wait());
    const Collector::Choice& answer = collector.choice(0);
    if (answer.ids() != one["new_ids"].get<std::vector<std::int32_t>>()) continue;
    EXPECT_EQ(answer.text, one["text"].get<std::string>()) << one["name"];
    EXPECT_EQ(answer.last.usage.completion_tokens,
              static_cast<std::int64_t>(one["new_ids"].size()));
  }
}

// Each prompt row scored by the engine equals the same row asked as the last of a shorter prompt.
TEST_F(Demo, PromptLogprobsEqualOneTokenAnswers) {
  const Json& one = expected_["cases"][0];
  GenerateRequest request = greedy(one);
  request.sampling.max_tokens = 0;
  request.sampling.prompt_logprobs = 3;
  Collector whole(1);
  ASSERT_TRUE(engine_->submit(request, whole.sink()));
  ASSERT_TRUE(whole.wait());
  const std::vector<OutputToken>& rows = whole.choice(0).prompt;
  ASSERT_EQ(rows.size(), request.prompt.size());
  EXPECT_EQ(whole.choice(0).last.finish, FinishReason::kLength);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    GenerateRequest shorter = greedy(one);
    shorter.prompt.resize(i);
    shorter.sampling.max_tokens = 1;
    shorter.sampling.logprobs = 3;
    Collector collector(1);
    ASSERT_TRUE(engine_->submit(shorter, collector.sink()));
    ASSERT_TRUE(collector.wait());
    const OutputToken& token = collector.choice(0).tokens.at(0);
    EXPECT_EQ(rows[i].id, request.prompt[i]);
    ASSERT_EQ(rows[i].top.size(), 3u);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(rows[i].top[k].id, token.top[k].id);
      EXPECT_EQ(rows[i].top[k].logprob, token.top[k].logprob);
    }
  }
}

}  // namespace
}  // namespace quire::engine
