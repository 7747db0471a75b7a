// Formats of packed matrices, and packing of float rows as floats.
#include "kernels/pack.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "kernels/packed_layout.h"

namespace quire::kernels {
namespace {

using Kind = PackedFormat::Kind;

static_assert(std::endian::native == std::endian::little);

// Words of a row that are packed before the next row's turn: their lines of the panel stay in the
// first-level cache until all 16 rows have written to them.
constexpr std::int64_t kTileWords = 128;

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBf16 || dtype == DType::kF16;
}

DType float_of(Kind kind) {
  if (kind == Kind::kBf16) return DType::kBf16;
  return kind == Kind::kF16 ? DType::kF16 : DType::kF32;
}

// f16_to_f32() without branches: the exponent is moved by a multiplication, which is exact.
float widen_half(std::uint16_t bits) {
  const std::uint32_t magnitude = bits & 0x7fffu;
  const float moved = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const std::uint32_t finite = std::bit_cast<std::uint32_t>(moved);
  const std::uint32_t special = 0x7f800000u | (magnitude & 0x3ffu) << 13;
  const std::uint32_t value = magnitude >= 0x7c00u ? special : finite;
  return std::bit_cast<float>(value | static_cast<std::uint32_t>(bits & 0x8000u) << 16);
}

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T, class Widen>
void widen_run(const std::byte* from, std::int64_t stride, std::span<float> out,
               const Widen& widen) {
  const std::int64_t count = static_cast<std::int64_t>(out.size());
  float* to = out.data();
  if (stride == 1) {
    for (std::int64_t k = 0; k < count; ++k) {
      to[k] = widen(load<T>(from + k * static_cast<std::int64_t>(sizeof(T))));
    }
    return;
  }
  const std::int64_t step = stride * static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t k = 0; k < count; ++k) to[k] = widen(load<T>(from + k * step));
}

// Elements [begin, begin + count) of T of a row, each to the panel's lane of it.
template <class T>
void scatter(const T* from, std::int64_t begin, std::int64_t count, std::byte* lane) {
  for (std::int64_t k = 0; k < count; ++k) {
    std::memcpy(lane + (begin + k) * kPanelRows * static_cast<std::int64_t>(sizeof(T)), from + k,
                sizeof(T));
  }
}

// The same for rows whose bytes need no conversion.
template <class T>
void scatter_bytes(const std::byte* from, std::int64_t begin, std::int64_t count, std::byte* lane) {
  for (std::int64_t k = 0; k < count; ++k) {
    std::memcpy(lane + (begin + k) * kPanelRows * static_cast<std::int64_t>(sizeof(T)),
                from + (begin + k) * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  }
}

// Elements [begin, begin + count) of a row as floats of the target's type. REQUIRES: begin even.
void convert_run(const SourceRow& row, std::int64_t begin, std::int64_t count, Kind kind,
                 std::byte* panel, int lane) {
  float values[kTileWords];
  row.widen(begin, {values, static_cast<std::size_t>(count)});
  if (kind == Kind::kF32) return scatter(values, begin, count, panel + lane * 4);
  std::uint16_t halves[kTileWords + 1];
  for (std::int64_t k = 0; k < count; ++k) {
    halves[k] = kind == Kind::kBf16 ? f32_to_bf16(values[k]) : f32_to_f16(values[k]);
  }
  if (kind == Kind::kF16) return scatter(halves, begin, count, panel + lane * 2);
  halves[count] = 0;
  std::uint32_t pairs[kTileWords / 2 + 1];
  std::memcpy(pairs, halves, static_cast<std::size_t>(round_up(count, 2)) * 2);
  scatter(pairs, begin / 2, round_up(count, 2) / 2, panel + lane * 4);
}

// Elements [begin, begin + count) of the rows of one panel.
void pack_float_tile(const PanelRows& rows, std::int64_t begin, std::int64_t count, Kind kind) {
  const bool is_copy = rows.first.stride == 1 && rows.first.dtype == float_of(kind);
  for (int i = 0; i < rows.count; ++i) {
    const SourceRow row = rows.row(i);
    const int lane = rows.lane_begin + i;
    if (is_copy && kind == Kind::kF32) {
      scatter_bytes<std::uint32_t>(row.data, begin, count, rows.panel + lane * 4);
    } else if (is_copy && kind == Kind::kF16) {
      scatter_bytes<std::uint16_t>(row.data, begin, count, rows.panel + lane * 2);
    } else if (is_copy && count % 2 == 0) {
      scatter_bytes<std::uint32_t>(row.data, begin / 2, count / 2, rows.panel + lane * 4);
    } else {
      convert_run(row, begin, count, kind, rows.panel, lane);
    }
  }
}

void pack_floats(const PanelRows& rows, Kind kind) {
  const std::int64_t cols = rows.first.cols;
  for (std::int64_t begin = 0; begin < cols; begin += kTileWords) {
    pack_float_tile(rows, begin, std::min(kTileWords, cols - begin), kind);
  }
}

}  // namespace

void SourceRow::widen(std::int64_t begin, std::span<float> out) const {
  const std::byte* from = data + begin * stride * dtype_bytes(dtype);
  switch (dtype) {
    case DType::kF32:
      return widen_run<float>(from, stride, out, [](float value) { return value; });
    case DType::kBf16:
      return widen_run<std::uint16_t>(from, stride, out,
                                      [](std::uint16_t bits) { return bf16_to_f32(bits); });
    case DType::kF16:
      return widen_run<std::uint16_t>(from, stride, out,
                                      [](std::uint16_t bits) { return widen_half(bits); });
    default:
      CHECK(false, "rows of {}", dtype_name(dtype));
  }
}

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
  const std::int64_t bytes = panel_bytes(target_format, source.cols);
  const std::int64_t row_bytes = source.row_stride * dtype_bytes(source.dtype);
  for (std::int64_t n = 0; n < source.rows;) {
    const int lane = static_cast<int>((row_begin + n) % kPanelRows);
    const PanelRows rows = {
        .first = {source.data + n * row_bytes, source.dtype, source.cols, source.col_stride},
        .row_bytes = row_bytes,
        .count = static_cast<int>(std::min<std::int64_t>(kPanelRows - lane, source.rows - n)),
        .lane_begin = lane,
        .panel = target + (row_begin + n) / kPanelRows * bytes};
    if (target_format.is_quantized()) {
      pack_quantized(rows, target_format);
    } else {
      pack_floats(rows, target_format.kind);
    }
    n += rows.count;
  }
}

}  // namespace quire::kernels
