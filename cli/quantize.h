// A float checkpoint becomes an MLX one: affine codes of 2 to 8 bits, tensor by tensor.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/new_folder.h"

namespace quire::cli {

struct QuantizeWidths {
  int bits = 4, group = 64;
  bool operator==(const QuantizeWidths&) const = default;
};

// Which widths a module has: the first rule whose pattern fits its path, else the default.
struct QuantizeRule {
  std::string pattern;
  std::optional<QuantizeWidths> widths;  // none: it stays float
};
// "PATTERN=BITS", "PATTERN=BITS/GROUP" or "PATTERN=none". kInvalid names the rule.
Result<QuantizeRule> parse_quantize_rule(std::string_view text, const QuantizeWidths& widths);

struct QuantizePlan {
  std::filesystem::path source, target;
  QuantizeWidths widths;
  std::vector<QuantizeRule> rules;
  std::uint64_t shard_bytes = std::uint64_t{5} << 30;
  NewFolder::Existing existing = NewFolder::Existing::kRefused;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  const std::atomic<bool>* cancelled = nullptr;  // may be null
};

struct QuantizedTensor {
  std::string module;
  QuantizeWidths widths;
  std::vector<std::int64_t> shape;  // of the weights
  double error = 0;      // root of the mean square of the differences, by that of the weights
  double error_max = 0;  // the largest difference
};

struct QuantizeReport {
  std::vector<QuantizedTensor> tensors;
  std::vector<std::string> unused_rules;  // patterns that fit nothing
  std::size_t float_count = 0;            // tensors that stay as they are
  std::uint64_t source_bytes = 0, target_bytes = 0;
  double bits_per_weight = 0;  // over all parameters, scales and biases included
};

// Matrices that are multiplied, and the embedding, where the group divides their rows; everything
// else is copied, as are tokenizer and templates. Experts and the matrices of single heads are
// stacked as MLX does it (switch_mlp, embed_q, unembed_out). Codes, scales and biases equal those
// of mlx.core.quantize(). The weights are read and written in pieces of a few MB. The target
// appears when it is complete (cli/new_folder.h); an error or a cancellation leaves nothing of it.
// Refused: quantized sources.
Result<QuantizeReport> quantize_checkpoint(const QuantizePlan& plan);

}  // namespace quire::cli
