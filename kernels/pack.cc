// Packs weight rows into panels of 16 outputs.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/packed_layout.h"
#include "kernels/packed_matrix.h"

namespace quire::kernels {
namespace {

using Kind = PackedFormat::Kind;

bool is_float(DType dtype) {
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

DType float_of(Kind kind) {
  if (kind == Kind::kBf16) return DType::kBf16;
  return kind == Kind::kF16 ? DType::kF16 : DType::kF32;
}

// One row of the source.
struct SourceRow {
  const std::byte* data;
  DType dtype;
  std::int64_t cols, stride;  // stride in elements

  std::uint32_t bits(std::int64_t k) const {
    const int bytes = dtype_bytes(dtype);
    return load_bits(data + k * stride * bytes, bytes);
  }
  float at(std::int64_t k) const { return widen(bits(k), dtype); }
};

void pack_float_row(const SourceRow& row, const PackedFormat& format, int lane, std::byte* panel) {
  const DType to = float_of(format.kind);
  for (std::int64_t k = 0; k < row.cols; ++k) {
    const std::uint32_t bits = row.dtype == to ? row.bits(k) : narrow(row.at(k), to);
    std::memcpy(panel + weight_place(format, row.cols, lane, k).code, &bits,
                static_cast<std::size_t>(dtype_bytes(to)));
  }
}

void pack_int8_row(const SourceRow& row, const PackedFormat& format, int lane, std::byte* panel) {
  float largest = 0;
  for (std::int64_t k = 0; k < row.cols; ++k) largest = std::max(largest, std::fabs(row.at(k)));
  const float scale = largest / 127;
  const float inverse = largest == 0 ? 0 : 127 / largest;
  for (std::int64_t k = 0; k < round_up(row.cols, 4); ++k) {
    const float code = k < row.cols ? std::nearbyint(row.at(k) * inverse) : 0.0f;
    const float kept = std::clamp(code, -127.0f, 127.0f);
    panel[weight_place(format, row.cols, lane, k).code] =
        static_cast<std::byte>(static_cast<int>(kept) + 128);
  }
  std::memcpy(panel + weight_place(format, row.cols, lane, 0).scale, &scale, sizeof(scale));
}

}  // namespace

PackedFormat PackedFormat::of(DType dtype) {
  CHECK(is_float(dtype), "packed matrix of {}", dtype_name(dtype));
  if (dtype == DType::kBf16) return {.kind = Kind::kBf16};
  return {.kind = dtype == DType::kF16 ? Kind::kF16 : Kind::kF32};
}

const char* format_name(Kind kind) {
  switch (kind) {
    case Kind::kF32:
      return "f32";
    case Kind::kF16:
      return "f16";
    case Kind::kBf16:
      return "bf16";
    case Kind::kInt8:
      return "int8";
    case Kind::kAffine4:
      return "affine4";
    case Kind::kAffine8:
      return "affine8";
  }
  CHECK(false, "packed format {}", static_cast<int>(kind));
}

ActivationForm form_for(const PackedFormat& format, Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::kF32) return {};
  if (format.kind == Kind::kBf16) return {.kind = ActivationForm::Kind::kBf16};
  if (format.is_quantized()) {
    return {.kind = ActivationForm::Kind::kInt8, .group = format.group};
  }
  return {};
}

std::int64_t panel_bytes(const PackedFormat& format, std::int64_t cols) {
  switch (format.kind) {
    case Kind::kF32:
      return cols * kPanelRows * 4;
    case Kind::kF16:
      return cols * kPanelRows * 2;
    case Kind::kBf16:
      return round_up(cols, 2) * kPanelRows * 2;
    case Kind::kInt8:
      return round_up(cols, 4) * kPanelRows + kPanelRows * 4;
    case Kind::kAffine4:
    case Kind::kAffine8:
      CHECK(format.group > 0 && format.group % 8 == 0 && cols % format.group == 0,
            "groups of {} in {} columns", format.group, cols);
      return cols / format.group * affine_block_bytes(format);
  }
  CHECK(false, "packed format {}", static_cast<int>(format.kind));
}

std::size_t packed_bytes(const PackedFormat& format, std::int64_t rows, std::int64_t cols) {
  const std::int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
  return static_cast<std::size_t>(round_up(panels * panel_bytes(format, cols), 64));
}

void pack_rows(const MatrixSource& source, std::int64_t row_begin, std::int64_t target_rows,
               const PackedFormat& target_format, std::byte* target) {
  CHECK(is_float(source.dtype), "packing {} as {}", dtype_name(source.dtype),
        format_name(target_format.kind));
  CHECK(0 <= row_begin && row_begin + source.rows <= target_rows, "rows [{}, {}) of {}", row_begin,
        row_begin + source.rows, target_rows);
  for (std::int64_t n = 0; n < source.rows; ++n) {
    const std::int64_t row = row_begin + n;
    std::byte* panel = target + row / kPanelRows * panel_bytes(target_format, source.cols);
    const auto lane = static_cast<int>(row % kPanelRows);
    const SourceRow from{source.data + n * source.row_stride * dtype_bytes(source.dtype),
                         source.dtype, source.cols, source.col_stride};
    if (target_format.kind == Kind::kInt8) {
      pack_int8_row(from, target_format, lane, panel);
    } else {
      CHECK(!target_format.is_quantized(), "packing {} as {}", dtype_name(source.dtype),
            format_name(target_format.kind));
      pack_float_row(from, target_format, lane, panel);
    }
  }
}

}  // namespace quire::kernels
