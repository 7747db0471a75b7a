// Quantized weights of a checkpoint: what config.json says of them, and the tensors that hold them.
//
// MLX's affine format: a module `path` is quantized where the file has `path.scales`; its codes are
// in `path.weight` as 32-bit words, its biases in `path.biases`. Bits and group follow from the
// shapes, so that they may differ from module to module.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/load/config.h"
#include "models/load/safetensors.h"

namespace quire::models {

struct AffineWidths {
  int bits = 0, group = 0;  // group: weights along a row that share a scale and a bias
  bool operator==(const AffineWidths&) const = default;
};

struct QuantizationConfig {
  bool present = false;
  // By module path: its own widths, or none where it is not quantized.
  std::map<std::string, std::optional<AffineWidths>, std::less<>> modules;
};

// Reads `quantization` or `quantization_config` of the root or of text_config, the first that is
// there. Refuses every other method than MLX's affine one by its name.
Result<QuantizationConfig> read_quantization(const Config& root);

// The tensors beside the codes.
struct AffineTensors {
  const Checkpoint::Tensor* scales = nullptr;
  const Checkpoint::Tensor* biases = nullptr;
  AffineWidths widths;
  DType scale_dtype = DType::kF32;
};

// "a.b.weight" with "a.b.scales" beside it.
bool is_quantized(const Checkpoint& checkpoint, const Checkpoint::Tensor& tensor);

// Checks shapes and types of a quantized module whose weights have `shape`, and that the config
// agrees. REQUIRES: is_quantized().
Result<AffineTensors> find_affine(const Checkpoint& checkpoint, const Checkpoint::Tensor& codes,
                                  const std::vector<std::int64_t>& shape,
                                  const QuantizationConfig& config);

// That the config does not say of a float tensor that its module is quantized.
Status check_not_quantized(const Checkpoint::Tensor& tensor, const QuantizationConfig& config);

}  // namespace quire::models
