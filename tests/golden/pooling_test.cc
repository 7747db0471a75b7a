// Embeddings and yes-or-no judgements of tiny models against Transformers
// (tools/pooling_golden.py), and against themselves: alone or in a crowd, whole or in chunks, cold
// or warm, the bits are equal.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <future>
#include <sstream>

#include "engine/engine.h"
#include "tests/golden/golden_file.h"

namespace quire::testing {
namespace {

using engine::Pooling;

constexpr double kTolerance = 2e-4;  // of the largest element

struct Case {
  std::int64_t count = 0;
  std::map<Pooling, std::vector<float>> vectors;
  double yes = 0;
};

struct PoolingGolden {
  Golden model;
  std::int32_t yes_id = 0, no_id = 0;
  std::vector<Case> cases;
};

PoolingGolden read(const std::string& name) {
  const auto folder = std::filesystem::path(QUIRE_SOURCE_DIR) / "tests" / "golden";
  std::stringstream text;
  text << std::ifstream(folder / "pooling" / (name + ".json")).rdbuf();
  const Json json = parse_json(text.str()).value();
  PoolingGolden out{read_golden(folder / (name + ".json")), json["yes_id"], json["no_id"], {}};
  for (const Json& entry : json["cases"]) {
    out.cases.push_back({entry["count"],
                         {{Pooling::kFirst, entry["first"].get<std::vector<float>>()},
                          {Pooling::kLast, entry["last"].get<std::vector<float>>()},
                          {Pooling::kMean, entry["mean"].get<std::vector<float>>()}},
                         entry["yes"]});
  }
  return out;
}

class Served {
 public:
  Served(const Golden& golden, int chunk_tokens) {
    write_file(folder_ / "config.json", config_text(golden.config));
    write_file(folder_ / "model.safetensors", safetensors_bytes(stored(golden.tensors, "F32")));
    engine::EngineConfig config;
    config.model = folder_.path().string();
    config.kv_cache_memory = "4M";
    config.threads = 1;
    config.debug_chunk_tokens = chunk_tokens;
    auto made = engine::create_engine(config);
    CHECK(made.has_value(), "{}", made.error().message);
    engine_ = std::move(*made);
  }

  std::future<engine::Output> ask(engine::GenerateRequest request) {
    auto done = std::make_shared<std::promise<engine::Output>>();
    auto first = std::make_shared<engine::Output>();
    const auto id = engine_->submit(std::move(request), [done, first](engine::Output&& output) {
      if (first->tokens.empty()) first->tokens = output.tokens;
      if (output.finish == engine::FinishReason::kNone) return;
      output.tokens = first->tokens;
      done->set_value(std::move(output));
    });
    CHECK(id.has_value(), "{}", id.error().message);
    return done->get_future();
  }

  std::future<engine::Output> pool(const PoolingGolden& golden, const Case& wanted, Pooling kind) {
    engine::GenerateRequest request;
    request.prompt.assign(golden.model.prompt.begin(), golden.model.prompt.begin() + wanted.count);
    request.pooling = kind;
    request.sampling.max_tokens = 0;
    return ask(std::move(request));
  }

 private:
  TempFolder folder_;
  std::unique_ptr<engine::Engine> engine_;
};

class PoolingModel : public ::testing::TestWithParam<const char*> {};

TEST_P(PoolingModel, PoolsAsTransformers) {
  const PoolingGolden golden = read(GetParam());
  Served served(golden.model, 0);
  for (const Case& wanted : golden.cases) {
    for (const auto& [kind, vector] : wanted.vectors) {
      const engine::Output output = served.pool(golden, wanted, kind).get();
      EXPECT_EQ(output.finish, engine::FinishReason::kStop);
      EXPECT_EQ(output.usage.prompt_tokens, wanted.count);
      EXPECT_EQ(output.usage.completion_tokens, 0);
      ASSERT_EQ(output.embedding.size(), vector.size());
      float largest = 0;
      for (const float value : vector) largest = std::max(largest, std::abs(value));
      for (std::size_t i = 0; i < vector.size(); ++i) {
        EXPECT_NEAR(output.embedding[i], vector[i], kTolerance * largest)
            << wanted.count << " " << i;
      }
    }
  }
}

TEST_P(PoolingModel, SamePromptSameBits) {
  const PoolingGolden golden = read(GetParam());
  Served whole(golden.model, 0);
  Served chunked(golden.model, 3);
  for (const Pooling kind : {Pooling::kFirst, Pooling::kLast, Pooling::kMean}) {
    const Case& longest = golden.cases.back();
    const std::vector<float> alone = whole.pool(golden, longest, kind).get().embedding;
    std::vector<std::future<engine::Output>> crowd;
    for (int i = 0; i < 8; ++i) {
      crowd.push_back(whole.pool(golden, golden.cases[static_cast<std::size_t>(i) % 3], kind));
      crowd.push_back(whole.pool(golden, longest, kind));
    }
    for (std::size_t i = 0; i < crowd.size(); ++i) {
      const auto embedding = crowd[i].get().embedding;
      if (i % 2 == 1) {
        EXPECT_EQ(embedding, alone);
      }
    }
    EXPECT_EQ(chunked.pool(golden, longest, kind).get().embedding, alone);
    EXPECT_EQ(chunked.pool(golden, longest, kind).get().embedding, alone) << "with a warm cache";
  }
}

TEST_P(PoolingModel, JudgesAsTransformers) {
  const PoolingGolden golden = read(GetParam());
  Served served(golden.model, 0);
  for (const Case& wanted : golden.cases) {
    engine::GenerateRequest request;
    request.prompt.assign(golden.model.prompt.begin(), golden.model.prompt.begin() + wanted.count);
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 1;
    request.sampling.logprobs = 0;
    request.sampling.logprob_token_ids = {golden.yes_id, golden.no_id};
    const engine::Output output = served.ask(std::move(request)).get();
    ASSERT_EQ(output.tokens.size(), 1u);
    const auto& top = output.tokens[0].top;
    ASSERT_EQ(top.size(), 2u);
    EXPECT_EQ(top[0].id, golden.yes_id);
    const double yes = 1 / (1 + std::exp(static_cast<double>(top[1].logprob - top[0].logprob)));
    EXPECT_NEAR(yes, wanted.yes, 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, PoolingModel, ::testing::Values("qwen3_1", "qwen2_1", "gemma3_1"),
                         [](const auto& it) { return std::string(it.param); });

}  // namespace
}  // namespace quire::testing
