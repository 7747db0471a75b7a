// What a quantized checkpoint consists of: each of its tensors, and where their weights come from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/quantize.h"
#include "models/load/bind.h"
#include "models/load/load.h"

namespace quire::cli {

// Element (r, c) of a matrix is tensor element first + r * row_stride + c * col_stride.
struct MatrixSource {
  const models::Checkpoint::Tensor* tensor = nullptr;
  std::int64_t first = 0, row_stride = 0, col_stride = 1;
};

// A tensor of the target: a copy of one of the source, or matrices of it, one above the other.
struct QuantizeItem {
  std::string name;  // "a.b.weight"
  std::vector<std::int64_t> shape;
  bool is_copy = false;                  // bytes as they are; parts[0].tensor alone counts
  std::vector<MatrixSource> parts;       // one for each expert or head, else one
  std::int64_t rows = 0, cols = 0;       // of each part
  std::optional<QuantizeWidths> widths;  // none: it stays float
  bool is_chosen = false;                // a rule or the default decided about it
  std::size_t first = 0;                 // index of its (first) tensor in the target

  std::string module() const;  // "a.b"
  const models::TensorInfo& info() const { return parts.front().tensor->info; }
};

struct QuantizeItems {
  std::vector<QuantizeItem> items;
  std::vector<std::string> unused_rules;
};

// Refuses quantized sources. Experts and matrices of single heads take MLX's stacked layout and
// names.
Result<QuantizeItems> choose_items(const models::ParsedConfig& parsed, const QuantizePlan& plan,
                                   const models::Checkpoint& checkpoint,
                                   const models::BoundCheckpoint& bound);

}  // namespace quire::cli
