// MLX checkpoints with quantized weights. The right codes, scales, biases, logits and greedy tokens
// are mlx-lm's own (tools/make_quantized_golden.py), confirmed there by Transformers on the
// dequantized weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "kernels/quantize.h"
#include "models/load/file.h"
#include "tests/golden/quantized_file.h"
#include "tests/golden/runner.h"

namespace quire::testing {
namespace {

class QuantizedModel : public ::testing::TestWithParam<std::filesystem::path> {
 protected:
  void SetUp() override { golden_ = read_quantized_golden(GetParam()); }

  QuantizedGolden golden_;
  TempFolder folder_;
};

TEST_P(QuantizedModel, IsQuantizedToTheSameBytesAsByMlx) {
  const std::vector<RawTensor> tensors = mlx_tensors(golden_);
  ASSERT_EQ(tensors.size(), golden_.stored.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const StoredTensor& wanted = golden_.stored[i];
    EXPECT_EQ(tensors[i].name, wanted.name);
    EXPECT_EQ(tensors[i].dtype, wanted.dtype) << wanted.name;
    EXPECT_EQ(tensors[i].shape, wanted.shape) << wanted.name;
    EXPECT_EQ(fnv1a64_hex(tensors[i].bytes), wanted.hash) << wanted.name;
  }
}

TEST_P(QuantizedModel, AnswersAsMlx) {
  write_file(folder_ / "config.json", config_text(golden_.base.config));
  write_shards(folder_.path(), mlx_tensors(golden_), 2);
  auto loaded = models::load_model(folder_.path(), {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->family, golden_.base.family);
  Runner runner(std::move(*loaded), golden_.base.context);
  std::vector<std::vector<float>> logits = runner.run(golden_.base.prompt);
  std::vector<std::int32_t> greedy;
  for (const std::int32_t token : golden_.answer.greedy) {
    greedy.push_back(best_token(logits.back()));
    logits.push_back(runner.run({token}).front());
  }
  EXPECT_EQ(greedy, golden_.answer.greedy);
  for (const GoldenRow& row : golden_.answer.rows) {
    EXPECT_LE(relative_gap(logits.at(static_cast<std::size_t>(row.row)), row.logits), kTolerance)
        << "row " << row.row;
  }
}

std::string name_of(const ::testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem();
}
INSTANTIATE_TEST_SUITE_P(Quantized, QuantizedModel, ::testing::ValuesIn(quantized_golden_paths()),
                         name_of);

std::vector<float> floats_of(const Json& bits) {
  std::vector<float> out;
  for (const Json& value : bits) out.push_back(std::bit_cast<float>(value.get<std::uint32_t>()));
  return out;
}

// Corner cases: constant, zero, tiny, one-sided, ties, outliers.
TEST(QuantizeAffine, EqualsMlxOnEveryGroup) {
  const auto path =
      std::filesystem::path(QUIRE_SOURCE_DIR) / "tests" / "golden" / "quantized" / "groups.json";
  const auto text = models::read_text_file(path, 1 << 20);
  ASSERT_TRUE(text);
  const auto golden = parse_json(*text);
  ASSERT_TRUE(golden);
  for (const Json& result : golden->at("results")) {
    const int bits = result.at("bits");
    for (std::size_t i = 0; i < golden->at("weights").size(); ++i) {
      const std::vector<float> weights = floats_of(golden->at("weights")[i]);
      std::vector<std::uint8_t> codes(weights.size());
      const kernels::AffineGroup group = kernels::quantize_affine(
          weights.data(), static_cast<int>(weights.size()), bits, codes.data());
      EXPECT_EQ(codes, result.at("codes")[i].get<std::vector<std::uint8_t>>()) << bits << " " << i;
      EXPECT_EQ(std::bit_cast<std::uint32_t>(group.scale),
                result.at("scales")[i].get<std::uint32_t>())
          << bits << " bits, group " << i;
      EXPECT_EQ(std::bit_cast<std::uint32_t>(group.bias),
                result.at("biases")[i].get<std::uint32_t>())
          << bits << " bits, group " << i;
    }
  }
}

}  // namespace
}  // namespace quire::testing
