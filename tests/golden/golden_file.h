// A golden model: a tiny checkpoint that follows from a seed, and what the oracle computed with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/load/json.h"
#include "tests/golden/checkpoint_writer.h"

namespace quire::testing {

// Logits [V] after the token at `row` of prompt + greedy tokens.
struct GoldenRow {
  int row = 0;
  std::vector<float> logits;
};

struct GoldenAnswer {
  std::vector<std::int32_t> greedy;
  std::vector<GoldenRow> rows;
};

struct GoldenTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

struct MlxTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string hash;  // fnv1a64 of the f32 bytes, as mlx-lm converted them
};

struct Golden {
  std::string name, family, about, oracle;
  Json config, config_published;
  std::int64_t context = 0;  // prompt and greedy tokens
  std::vector<std::int32_t> prompt;
  std::map<std::string, GoldenAnswer> answers;  // by storage type: f32, bf16, f16
  std::vector<GoldenTensor> tensors;
  std::vector<MlxTensor> mlx;  // empty: not recorded
};

// The files of tests/golden, sorted by name.
std::vector<std::filesystem::path> golden_paths();
// CHECKs: the files are ours.
Golden read_golden(const std::filesystem::path& path);

// The parts that golden files of every kind have: all but answers, `mlx` and the published config.
Golden read_golden_base(const Json& json);
GoldenAnswer read_golden_answer(const Json& json);

// A config.json as Python writes it: infinity stands bare.
std::string config_text(Json config);

// The tensors as a file stores them: dtype "F32", "BF16" or "F16", rounded to nearest.
std::vector<RawTensor> stored(const std::vector<GoldenTensor>& tensors, const std::string& dtype);

// The same weights in other layouts.
std::vector<GoldenTensor> mlx_layout(const Golden& golden);
std::vector<GoldenTensor> stacked_experts(const std::vector<GoldenTensor>& tensors);
std::vector<GoldenTensor> renamed(std::vector<GoldenTensor> tensors, const std::string& from,
                                  const std::string& to);

std::string fnv1a64_hex(const std::vector<float>& values);

}  // namespace quire::testing
