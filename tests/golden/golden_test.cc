// Every golden model, loaded by the real loader from a real folder in each layout, must give the
// logits and greedy tokens of the reference implementation. The right answers come from
// Transformers (tools/make_golden.py); bf16 and f16 storage has answers of its own, computed from
// the rounded weights in f32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/load/file.h"
#include "tests/golden/golden_file.h"
#include "tests/golden/runner.h"

namespace quire::testing {
namespace {

using models::LoadedModel;

void expect_row(const std::vector<std::vector<float>>& logits, const GoldenRow& wanted) {
  const std::vector<float>& got = logits.at(static_cast<std::size_t>(wanted.row));
  EXPECT_LE(relative_gap(got, wanted.logits), kTolerance) << "row " << wanted.row;
}

void expect_answer(const std::filesystem::path& folder, const Golden& golden,
                   const std::string& dtype) {
  auto loaded = models::load_model(folder, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->family, golden.family);
  Runner runner(std::move(*loaded), golden.context);
  const GoldenAnswer& answer = golden.answers.at(dtype);
  std::vector<std::vector<float>> logits = runner.run(golden.prompt);
  std::vector<std::int32_t> greedy;
  for (const std::int32_t token : answer.greedy) {
    const auto& last = logits.back();
    greedy.push_back(
        static_cast<std::int32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
    logits.push_back(runner.run({token}).front());  // the oracle's, so that one slip stays one
  }
  EXPECT_EQ(greedy, answer.greedy);
  for (const GoldenRow& row : answer.rows) expect_row(logits, row);
}

void write_single(const TempFolder& folder, const Json& config,
                  const std::vector<GoldenTensor>& tensors, const std::string& dtype = "F32") {
  write_file(folder / "config.json", config_text(config));
  write_file(folder / "model.safetensors", safetensors_bytes(stored(tensors, dtype)));
}

class GoldenModel : public ::testing::TestWithParam<std::filesystem::path> {
 protected:
  void SetUp() override { golden_ = read_golden(GetParam()); }

  Golden golden_;
  TempFolder folder_;
};

// Layouts that only some models have: their tests run over those alone.
class GoldenMlxModel : public GoldenModel {};
class GoldenExpertModel : public GoldenModel {};
class GoldenWrappedModel : public GoldenModel {};

bool has_mlx_layout(const Golden& golden) { return !golden.mlx.empty(); }
bool has_experts(const Golden& golden) {
  return std::any_of(golden.tensors.begin(), golden.tensors.end(), [](const auto& tensor) {
    return tensor.name.find(".experts.") != std::string::npos;
  });
}
bool has_wrapper(const Golden& golden) {
  return golden.config.at("model_type").get<std::string>().ends_with("_text");
}

std::vector<std::filesystem::path> golden_paths_where(bool (*holds)(const Golden&)) {
  std::vector<std::filesystem::path> paths;
  for (const auto& path : golden_paths()) {
    if (holds(read_golden(path))) paths.push_back(path);
  }
  return paths;
}

TEST_P(GoldenModel, AsTransformersWritesIt) {
  write_single(folder_, golden_.config, golden_.tensors);
  expect_answer(folder_.path(), golden_, "f32");
}

TEST_P(GoldenModel, WithThePublishedConfig) {
  write_single(folder_, golden_.config_published, golden_.tensors);
  expect_answer(folder_.path(), golden_, "f32");
}

TEST_P(GoldenModel, InThreeShards) {
  write_file(folder_ / "config.json", dump_json(golden_.config));
  write_shards(folder_.path(), stored(golden_.tensors, "F32"), 3);
  expect_answer(folder_.path(), golden_, "f32");
}

TEST_P(GoldenModel, StoredAsBf16) {
  write_single(folder_, golden_.config, golden_.tensors, "BF16");
  expect_answer(folder_.path(), golden_, "bf16");
}

TEST_P(GoldenModel, StoredAsF16) {
  write_single(folder_, golden_.config, golden_.tensors, "F16");
  expect_answer(folder_.path(), golden_, "f16");
}

TEST_P(GoldenMlxModel, InTheMlxLayout) {
  std::vector<GoldenTensor> tensors = mlx_layout(golden_);
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  // First: is our idea of the layout what mlx-lm's own conversion makes?
  ASSERT_EQ(tensors.size(), golden_.mlx.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].name, golden_.mlx[i].name);
    EXPECT_EQ(tensors[i].shape, golden_.mlx[i].shape) << tensors[i].name;
    EXPECT_EQ(fnv1a64_hex(tensors[i].values), golden_.mlx[i].hash) << tensors[i].name;
  }
  write_single(folder_, golden_.config, tensors);
  expect_answer(folder_.path(), golden_, "f32");
}

TEST_P(GoldenExpertModel, WithStackedExperts) {
  write_single(folder_, golden_.config, stacked_experts(golden_.tensors));
  expect_answer(folder_.path(), golden_, "f32");
}

// Wrappers of several modalities: the text config is nested, the tensors have a longer prefix, and
// there are tensors of a tower that text does not need.
TEST_P(GoldenWrappedModel, InsideAVisionWrapper) {
  std::string type = golden_.config.at("model_type");
  type.resize(type.size() - std::string("_text").size());
  Json text = golden_.config_published;
  text.erase("architectures");
  const Json config = {{"model_type", type},
                       {"text_config", text},
                       {"vision_config", {{"hidden_size", 16}}},
                       {"tie_word_embeddings", text.at("tie_word_embeddings")}};
  std::vector<GoldenTensor> tensors = renamed(golden_.tensors, "model.", "model.language_model.");
  const char* tower = type == "gemma3" ? "model.vision_tower.x" : "model.visual.x";
  tensors.push_back({.name = tower, .shape = {2}, .values = {1, 2}});
  write_single(folder_, config, tensors);
  expect_answer(folder_.path(), golden_, "f32");
}

// The demo model is trained, not random: its answers come from Transformers in f32
// (demo/training/expected.py), with the log-probabilities of the five best tokens of every step.
TEST(DemoModel, AnswersAsTransformers) {
  const auto folder = std::filesystem::path(QUIRE_SOURCE_DIR) / "demo";
  const auto text = models::read_text_file(folder / "expected.json", 16u << 20);
  ASSERT_TRUE(text);
  const auto expected = parse_json(*text);
  ASSERT_TRUE(expected);
  for (const Json& item : expected->at("cases")) {
    const auto prompt = item.at("prompt_ids").get<std::vector<std::int32_t>>();
    const auto wanted = item.at("new_ids").get<std::vector<std::int32_t>>();
    auto loaded = models::load_model(folder, {});
    ASSERT_TRUE(loaded);
    Runner runner(std::move(*loaded), static_cast<std::int64_t>(prompt.size() + wanted.size()));
    std::vector<float> logits = runner.run(prompt).back();
    for (std::size_t step = 0; step < wanted.size(); ++step) {
      const auto best = std::max_element(logits.begin(), logits.end());
      ASSERT_EQ(best - logits.begin(), wanted[step]) << item.at("name") << " step " << step;
      double sum = 0;
      for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - *best);
      for (const Json& top : item.at("top5").at(step)) {
        const double logprob = logits[top.at(0).get<std::size_t>()] - *best - std::log(sum);
        EXPECT_NEAR(logprob, top.at(1).get<double>(), 1e-3) << item.at("name") << " step " << step;
      }
      logits = runner.run({wanted[step]}).front();
    }
  }
}

std::string name_of(const ::testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem();
}
INSTANTIATE_TEST_SUITE_P(Goldens, GoldenModel, ::testing::ValuesIn(golden_paths()), name_of);
// GoogleTest fails for a list that comes out empty.
INSTANTIATE_TEST_SUITE_P(Goldens, GoldenMlxModel,
                         ::testing::ValuesIn(golden_paths_where(has_mlx_layout)), name_of);
INSTANTIATE_TEST_SUITE_P(Goldens, GoldenExpertModel,
                         ::testing::ValuesIn(golden_paths_where(has_experts)), name_of);
INSTANTIATE_TEST_SUITE_P(Goldens, GoldenWrappedModel,
                         ::testing::ValuesIn(golden_paths_where(has_wrapper)), name_of);

}  // namespace
}  // namespace quire::testing
