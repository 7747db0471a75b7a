// docs/models.md must say what the registry and the golden files say. QUIRE_UPDATE_DOCS=1 rewrites
// it, so the page is generated and cannot drift.
#include <gtest/gtest.h>

#include <cstdlib>

#include "models/load/file.h"
#include "models/registry.h"
#include "tests/golden/quantized_file.h"

namespace quire::testing {
namespace {

constexpr const char* kIntroduction = R"(# Models

Generated from the registry (`models/families.inc`) and the golden models
(`tests/golden/*.json`, `tests/golden/quantized/*.json`) by
`QUIRE_UPDATE_DOCS=1 build/golden_tests --gtest_filter=ModelsDoc*`.

A model folder holds `config.json`, `model.safetensors` (or shards with their index) and, if it
likes, `generation_config.json`. Weights may be stored as F32, BF16 or F16, in the layout of
Transformers or of MLX, or quantized as MLX does it: affine codes of 2, 3, 4, 5, 6 or 8 bits, any
group that is a multiple of 8, scales and biases in F32, BF16 or F16, all of it different from
module to module if need be. Codes stay codes in memory (2 to 4 bits in four, 5 to 8 in eight).
Routers are widened to f32; so is the keys' part of a quantized `kv_b_proj` (to the type of its
scales), because codes cannot be transposed; files with `embed_q` and `unembed_out` need no such
thing. Other methods (GPTQ, AWQ, FP8, MXFP4, NVFP4, bitsandbytes ...) are refused by name.

`--quantization int8` or `int4` quantizes the matrices of a float checkpoint at load, the embedding
too, but no routers, norms, convolutions or other vectors. int8 has a scale for each row; int4 is
MLX's affine format with a bf16 scale and bias for 64 weights, except that matrices whose rows 64
does not divide become int8, which the log says. A quantized checkpoint is refused.

Each golden model is a tiny checkpoint whose logits (within 2e-4 of the largest) and 64 greedy
tokens must equal those of its oracle, from the config as published and as Transformers 5 writes
it, in one file and in shards, stored as F32, BF16 and F16, and where they exist in the MLX layout,
with stacked experts and inside the wrapper of a vision model. Quantized ones have mlx-lm as their
oracle, confirmed by Transformers on the dequantized weights: the bytes that Quire quantizes, the
logits and 32 greedy tokens must be the same.

)";

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  }
  return text;
}

std::string quantized_rows(std::string_view family) {
  std::string text;
  for (const auto& path : quantized_golden_paths()) {
    const QuantizedGolden golden = read_quantized_golden(path);
    if (golden.base.family != family) continue;
    text += fmt::format("| `{}` | {} | {} |\n", golden.base.name, golden.base.about, golden.scales);
  }
  return text;
}

std::string generate() {
  std::vector<Golden> goldens;
  for (const auto& path : golden_paths()) goldens.push_back(read_golden(path));
  std::string text = kIntroduction;
  for (const models::ModelFamily* family : models::families()) {
    text += fmt::format("## {}\n\n{}.\n\n", family->name, family->summary);
    text += fmt::format("- `model_type`: {}\n", joined(family->model_types));
    text += fmt::format("- architectures: {}\n", joined(family->architectures));
    for (const models::IgnoredTensors& ignored : family->ignored) {
      text += fmt::format("- left out: {} (`{}`)\n", ignored.what, ignored.pattern);
    }
    if (family->mtp_layers) text += "- left out: layers past the last one\n";
    text += "\n| golden model | covers | oracle | MLX layout |\n| --- | --- | --- | --- |\n";
    for (const Golden& golden : goldens) {
      if (golden.family != family->name) continue;
      text += fmt::format("| `{}` | {} | {} | {} |\n", golden.name, golden.about, golden.oracle,
                          golden.mlx.empty() ? "the same names" : "as mlx-lm converts it");
    }
    text += "\n";
    if (const auto rows = quantized_rows(family->name); !rows.empty()) {
      text += "| quantized model | covers | scales |\n| --- | --- | --- |\n" + rows + "\n";
    }
  }
  text.pop_back();
  return text;
}

TEST(ModelsDoc, IsUpToDate) {
  const auto path = std::filesystem::path(QUIRE_SOURCE_DIR) / "docs" / "models.md";
  const std::string wanted = generate();
  if (std::getenv("QUIRE_UPDATE_DOCS") != nullptr) write_file(path, wanted);
  const auto found = models::read_text_file(path, 1 << 20);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, wanted) << "run with QUIRE_UPDATE_DOCS=1";
}

TEST(ModelsDoc, EveryFamilyHasThreeGoldenModels) {
  std::map<std::string, int> counts;
  for (const auto& path : golden_paths()) ++counts[read_golden(path).family];
  for (const models::ModelFamily* family : models::families()) {
    EXPECT_GE(counts[std::string(family->name)], 3) << family->name;
  }
}

}  // namespace
}  // namespace quire::testing
