// Packing of quantized rows: float rows as int8 or affine codes, and MLX's codes as they are.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "base/check.h"
#include "kernels/pack.h"
#include "kernels/packed_layout.h"
#include "kernels/quantize.h"

namespace quire::kernels {
namespace {

using Kind = PackedFormat::Kind;

constexpr float kRound = 0x1.8p23f;  // see quantize.cc

// Where the word of a row at the same place in each line of 16 words goes: base + j * 64 bytes.
void put_word(std::byte* base, std::int64_t j, std::uint32_t word) {
  std::memcpy(base + j * kPanelRows * 4, &word, sizeof word);
}

std::uint32_t four(const std::uint8_t* codes) {
  std::uint32_t word;
  std::memcpy(&word, codes, sizeof word);
  return word;
}

// Four codes of four bits to the low halves of four bytes.
std::uint32_t spread_nibbles(std::uint32_t codes) {
  codes = (codes | codes << 8) & 0x00ff00ffu;
  return (codes | codes << 4) & 0x0f0f0f0fu;
}

// The codes of one row and block to its lane of an affine block.
void put_codes(const std::uint8_t* codes, const PackedFormat& format, std::byte* base) {
  const std::int64_t group = format.group;
  if (format.kind == Kind::kAffine4) {
    for (std::int64_t j = 0; j < group / 8; ++j) {
      put_word(base, j, four(codes + 4 * j) | four(codes + 4 * j + group / 2) << 4);
    }
  } else {
    for (std::int64_t j = 0; j < group / 4; ++j) put_word(base, j, four(codes + 4 * j));
  }
}

// Four-bit codes as MLX stores them, two in a byte: like put_codes() of the unpacked codes.
void put_nibbles(const std::byte* stream, std::int64_t group, std::byte* base) {
  constexpr std::int64_t kRun = 16;
  std::uint32_t words[kRun];
  for (std::int64_t begin = 0; begin < group / 8; begin += kRun) {
    const std::int64_t count = std::min(kRun, group / 8 - begin);
    for (std::int64_t j = 0; j < count; ++j) {
      std::uint16_t low, high;
      std::memcpy(&low, stream + (begin + j) * 2, 2);
      std::memcpy(&high, stream + (begin + j) * 2 + group / 4, 2);
      words[j] = spread_nibbles(low) | spread_nibbles(high) << 4;
    }
    for (std::int64_t j = 0; j < count; ++j) put_word(base, begin + j, words[j]);
  }
}

void put_scalar(float value, DType dtype, std::byte* to) {
  if (dtype == DType::kF32) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  CHECK(dtype == DType::kBf16 || dtype == DType::kF16, "scales of {}", dtype_name(dtype));
  const std::uint16_t bits = dtype == DType::kBf16 ? f32_to_bf16(value) : f32_to_f16(value);
  std::memcpy(to, &bits, sizeof bits);
}

struct Magnitude {
  float largest;
  bool is_finite;
};
Magnitude magnitude_of(std::span<const float> values) {
  std::uint32_t largest = 0;  // bits of magnitudes compare as the magnitudes do
  for (const float value : values) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value) & 0x7fffffffu;
    largest = std::max(largest, bits);
  }
  return {std::bit_cast<float>(largest), largest < 0x7f800000u};
}

void pack_int8_row(std::span<const float> values, const PackedFormat& format, int lane,
                   std::byte* panel) {
  const auto cols = static_cast<std::int64_t>(values.size());
  const auto [largest, is_finite] = magnitude_of(values);
  const float scale = is_finite ? largest / 127 : std::numeric_limits<float>::quiet_NaN();
  // A row so small that 127 / largest overflows is a row of zeros.
  const float inverse =
      is_finite && 127 / largest <= std::numeric_limits<float>::max() ? 127 / largest : 0.0f;
  std::byte* base = panel + lane * 4;
  for (std::int64_t k = 0; k < round_up(cols, 4); k += 4) {
    std::uint8_t codes[4];
    for (std::int64_t i = 0; i < 4; ++i) {
      const float value = is_finite && k + i < cols ? values[static_cast<std::size_t>(k + i)] : 0;
      const float code = (value * inverse + kRound) - kRound;
      codes[i] = static_cast<std::uint8_t>(static_cast<int>(code) + 128);
    }
    put_word(base, k / 4, four(codes));
  }
  std::memcpy(panel + weight_place(format, cols, lane, 0).scale, &scale, sizeof scale);
}

void pack_affine_row(std::span<const float> values, const PackedFormat& format, int lane,
                     std::byte* panel) {
  const int bits = format.kind == Kind::kAffine4 ? 4 : 8;
  const auto cols = static_cast<std::int64_t>(values.size());
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(format.group));
  for (std::int64_t k = 0; k < cols; k += format.group) {
    const AffineGroup group = quantize_affine(values.data() + k, format.group, bits, codes.data());
    const WeightPlace place = weight_place(format, cols, lane, k);
    put_codes(codes.data(), format, panel + place.code);
    put_scalar(group.scale, format.scale_dtype, panel + place.scale);
    put_scalar(group.bias, format.scale_dtype, panel + place.bias);
  }
}

// The lanes of one panel, from row `row` of an MLX matrix on.
struct PanelLanes {
  std::int64_t row = 0;
  int lane_begin = 0, count = 0;
  std::byte* panel = nullptr;
};

void put_stream(const std::byte* stream, int bits, const PackedFormat& format,
                std::span<std::uint8_t> codes, std::byte* base) {
  if (bits == 4) return put_nibbles(stream, format.group, base);
  unpack_codes(stream, bits, format.group, codes.data());
  put_codes(codes.data(), format, base);
}

// Scale: the bits of a scale.
template <class Scale>
void pack_affine_panel(const AffineSource& source, const PanelLanes& lanes,
                       const PackedFormat& format) {
  constexpr std::int64_t kWidth = sizeof(Scale);
  const std::int64_t blocks = source.cols / format.group;
  const std::int64_t stream_bytes = code_stream_bytes(source.bits, format.group);
  const std::int64_t code_bytes = affine_code_bytes(format);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(format.group));
  for (std::int64_t b = 0; b < blocks; ++b) {
    std::byte* base = lanes.panel + b * affine_block_bytes(format);
    for (int i = 0; i < lanes.count; ++i) {
      const std::int64_t lane = lanes.lane_begin + i;
      const std::int64_t from = (lanes.row + i) * blocks + b;
      put_stream(source.codes + from * stream_bytes, source.bits, format, codes, base + lane * 4);
      std::byte* scale = base + code_bytes + lane * kWidth;
      std::memcpy(scale, source.scales + from * kWidth, kWidth);
      std::memcpy(scale + kPanelRows * kWidth, source.biases + from * kWidth, kWidth);
    }
  }
}

}  // namespace

void pack_quantized(const PanelRows& rows, const PackedFormat& format) {
  std::vector<float> values(static_cast<std::size_t>(rows.first.cols));
  for (int i = 0; i < rows.count; ++i) {
    rows.row(i).widen(0, values);
    if (format.kind == Kind::kInt8) {
      pack_int8_row(values, format, rows.lane_begin + i, rows.panel);
    } else {
      pack_affine_row(values, format, rows.lane_begin + i, rows.panel);
    }
  }
}

PackedFormat affine_format(int bits, int group, DType scale_dtype) {
  return {.kind = bits <= 4 ? Kind::kAffine4 : Kind::kAffine8,
          .group = group,
          .scale_dtype = scale_dtype};
}

void pack_affine_rows(const AffineSource& source, std::int64_t row_begin, std::int64_t target_rows,
                      const PackedFormat& target_format, std::byte* target) {
  CHECK(target_format == affine_format(source.bits, target_format.group, target_format.scale_dtype),
        "packing {} bits as {}", source.bits, format_name(target_format.kind));
  CHECK(0 <= row_begin && row_begin + source.rows <= target_rows, "rows [{}, {}) of {}", row_begin,
        row_begin + source.rows, target_rows);
  const std::int64_t bytes = panel_bytes(target_format, source.cols);
  const auto pack = dtype_bytes(target_format.scale_dtype) == 2 ? pack_affine_panel<std::uint16_t>
                                                                : pack_affine_panel<std::uint32_t>;
  for (std::int64_t n = 0; n < source.rows;) {
    const int lane = static_cast<int>((row_begin + n) % kPanelRows);
    const int count = static_cast<int>(std::min<std::int64_t>(kPanelRows - lane, source.rows - n));
    pack(source, {n, lane, count, target + (row_begin + n) / kPanelRows * bytes}, target_format);
    n += count;
  }
}

}  // namespace quire::kernels
