// Rows on their way into one panel: shared by the float and the quantized packers.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/packed_matrix.h"

namespace quire::kernels {

// One row of a MatrixSource.
struct SourceRow {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  std::int64_t cols = 0, stride = 1;  // stride: elements from column to column

  // Elements [begin, begin + out.size()) as f32.
  void widen(std::int64_t begin, std::span<float> out) const;
};

// Rows that become lanes [lane_begin, lane_begin + count) of a panel.
struct PanelRows {
  SourceRow first;
  std::int64_t row_bytes = 0;  // from row to row
  int count = 0, lane_begin = 0;
  std::byte* panel = nullptr;

  SourceRow row(int i) const {
    SourceRow row = first;
    row.data += i * row_bytes;
    return row;
  }
};

// Quantizes the rows as kInt8 or an affine format.
void pack_quantized(const PanelRows& rows, const PackedFormat& format);

}  // namespace quire::kernels
