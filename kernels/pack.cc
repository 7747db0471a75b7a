// Packs weight rows into panels of 16 outputs.
#include <bit>
#include <cstring>

#include "base/check.h"
#include "kernels/packed_matrix.h"

namespace quire::kernels {
namespace {

bool packable(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBf16 || dtype == DType::kF16;
}

std::uint32_t load_bits(const std::byte* p, int bytes) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, p, static_cast<std::size_t>(bytes));  // little-endian hosts only
  return bits;
}
static_assert(std::endian::native == std::endian::little);

float widen(std::uint32_t bits, DType dtype) {
  if (dtype == DType::kBf16) return bf16_to_f32(static_cast<std::uint16_t>(bits));
  if (dtype == DType::kF16) return f16_to_f32(static_cast<std::uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

std::uint32_t narrow(float value, DType dtype) {
  if (dtype == DType::kBf16) return f32_to_bf16(value);
  if (dtype == DType::kF16) return f32_to_f16(value);
  return std::bit_cast<std::uint32_t>(value);
}

}  // namespace

std::size_t packed_bytes(DType dtype, std::int64_t rows, std::int64_t cols) {
  CHECK(packable(dtype), "packed matrix of {}", dtype_name(dtype));
  const std::int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
  const std::int64_t bytes = panels * kPanelRows * cols * dtype_bytes(dtype);
  return static_cast<std::size_t>((bytes + 63) / 64 * 64);
}

void pack_rows(const MatrixSource& source, std::int64_t row_begin, std::int64_t target_rows,
               DType target_dtype, std::byte* target) {
  CHECK(packable(source.dtype) && packable(target_dtype), "packing {} as {}",
        dtype_name(source.dtype), dtype_name(target_dtype));
  CHECK(0 <= row_begin && row_begin + source.rows <= target_rows, "rows [{}, {}) of {}", row_begin,
        row_begin + source.rows, target_rows);
  const int from_bytes = dtype_bytes(source.dtype);
  const int to_bytes = dtype_bytes(target_dtype);
  for (std::int64_t n = 0; n < source.rows; ++n) {
    const std::int64_t row = row_begin + n;
    const std::int64_t panel = row / kPanelRows;
    std::byte* to = target + (panel * source.cols * kPanelRows + row % kPanelRows) * to_bytes;
    const std::byte* from = source.data + n * source.row_stride * from_bytes;
    for (std::int64_t k = 0; k < source.cols; ++k) {
      std::uint32_t bits = load_bits(from + k * source.col_stride * from_bytes, from_bytes);
      if (source.dtype != target_dtype) bits = narrow(widen(bits, source.dtype), target_dtype);
      std::memcpy(to + k * kPanelRows * to_bytes, &bits, static_cast<std::size_t>(to_bytes));
    }
  }
}

}  // namespace quire::kernels
