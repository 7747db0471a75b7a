// A quantized golden model: a tiny MLX checkpoint that follows from a seed, and what mlx-lm
// computed with it (tools/make_quantized_golden.py).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/golden/golden_file.h"

namespace quire::testing {

// Codes of one module.
struct Widths {
  int bits = 0, group = 0;
};

// A tensor that mlx-lm saved.
struct StoredTensor {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::string hash;  // fnv1a64 of its bytes
};

struct QuantizedGolden {
  Golden base;                            // without answers
  std::string scales;                     // "F32", "BF16" or "F16"
  std::map<std::string, Widths> modules;  // by path
  std::vector<StoredTensor> stored;       // by name
  GoldenAnswer answer;
};

// The models of tests/golden/quantized, sorted by name.
std::vector<std::filesystem::path> quantized_golden_paths();
QuantizedGolden read_quantized_golden(const std::filesystem::path& path);

// `weights` as codes, scales and biases, quantized by kernels/quantize.h. Rows are the last
// dimension.
std::vector<RawTensor> quantized(const GoldenTensor& weights, const Widths& widths,
                                 const std::string& scale_dtype);

// The checkpoint's tensors in the MLX layout, sorted by name.
std::vector<RawTensor> mlx_tensors(const QuantizedGolden& golden);

// fnv1a64 of bytes, as make_golden.py writes it.
std::string fnv1a64_hex(std::string_view bytes);

}  // namespace quire::testing
