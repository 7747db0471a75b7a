// A weight matrix [N, K] in panels of 16 output rows: one panel is one sequential stream.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace quire::kernels {

inline constexpr int kPanelRows = 16;

// View; owns nothing. Layout: panels[N/16 rounded up][K][16] of `dtype` (f32, bf16 or f16), element
// (n, k) at panel n/16, row k, lane n%16. Lanes past N are zero. 64-byte aligned.
struct PackedMatrix {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  std::int64_t rows = 0;  // N, outputs
  std::int64_t cols = 0;  // K, inputs

  std::int64_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

// Bytes that pack() writes for a [rows, cols] matrix, a multiple of 64.
std::size_t packed_bytes(DType dtype, std::int64_t rows, std::int64_t cols);

// One source of pack(): element (n, k) lies at data + (n * row_stride + k * col_stride) elements.
struct MatrixSource {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;  // f32, bf16 or f16
  std::int64_t rows = 0, cols = 0;
  std::int64_t row_stride = 0, col_stride = 1;
};

// Writes rows [0, source.rows) of the source as rows [row_begin, ...) of the packed target at
// `target`, which has `target_rows` rows in all. Converts when target_dtype differs (exact
// widening, rounding to nearest even). Lanes past target_rows must have been zeroed by the caller
// (arenas are).
void pack_rows(const MatrixSource& source, std::int64_t row_begin, std::int64_t target_rows,
               DType target_dtype, std::byte* target);

}  // namespace quire::kernels
