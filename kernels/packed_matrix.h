// A weight matrix [N, K] in panels of 16 output rows: one panel is one sequential stream.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "kernels/activations.h"

namespace quire::kernels {

inline constexpr int kPanelRows = 16;

// How the elements of a panel are stored. Lanes past N and elements past K read as zero weights.
struct PackedFormat {
  enum class Kind {
    kF32,   // [K][16] f32
    kF16,   // [K][16] f16
    kBf16,  // [K/2][16][2]: pairs along K, K rounded up
    // [K/4][16][4] u8 codes, K rounded up; behind them 16 f32 scales.
    // weight = (code - 128) * scale[n], code in 1..255.
    kInt8,
    // [K/group] blocks of: nibbles [group/8][16][4] u8; 16 scales; 16 biases. In byte (j, n, i) the
    // low half is the code of k = 4j + i of the block, the high half that of k = 4(j + group/8) +
    // i. weight = code * scale[n] + bias[n], code in 0..15.
    kAffine4,
    // [K/group] blocks of: u8 codes [group/4][16][4]; 16 scales; 16 biases; code in 0..255.
    kAffine8,
  };
  Kind kind = Kind::kF32;
  // Affine: weights along K that share a scale and a bias; a multiple of 8 that divides K.
  // kInt8: kInt8Group, activations that share a scale. Else 0.
  int group = 0;
  DType scale_dtype = DType::kF32;  // affine: f32, bf16 or f16, as the file has them

  // Activations of a kInt8 matmul share a scale over this many along K; the last group may be
  // short.
  static constexpr int kInt8Group = 128;

  static PackedFormat of(DType dtype);  // f32, f16, bf16
  static PackedFormat int8() { return {.kind = Kind::kInt8, .group = kInt8Group}; }
  bool is_quantized() const { return group != 0; }
  bool operator==(const PackedFormat&) const = default;
};
// "bf16", "int8", "affine4 g64", ... for messages and metrics.
const char* format_name(PackedFormat::Kind kind);

// View; owns nothing. 64-byte aligned.
struct PackedMatrix {
  const std::byte* data = nullptr;
  PackedFormat format = {};
  std::int64_t rows = 0;  // N, outputs
  std::int64_t cols = 0;  // K, inputs

  std::int64_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

// Bytes of one panel, a multiple of 32; of a whole matrix, a multiple of 64.
std::int64_t panel_bytes(const PackedFormat& format, std::int64_t cols);
std::size_t packed_bytes(const PackedFormat& format, std::int64_t rows, std::int64_t cols);

// How exactly a matmul computes: kF32 takes activations as they are and widens each weight to f32;
// kFast gives each weight format its fastest form of activations.
enum class Arithmetic { kF32, kFast };
constexpr const char* arithmetic_name(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kF32 ? "f32" : "fast";
}
// kFast: bf16 for bf16 weights, int8 for quantized ones, f32 for the rest.
ActivationForm form_for(const PackedFormat& format, Arithmetic arithmetic);

// One source of pack_rows(): element (n, k) lies at data + (n * row_stride + k * col_stride)
// elements.
struct MatrixSource {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;  // f32, bf16 or f16
  std::int64_t rows = 0, cols = 0;
  std::int64_t row_stride = 0, col_stride = 1;
};

// Writes rows [0, source.rows) of the source as rows [row_begin, ...) of the packed target at
// `target`, which has `target_rows` rows in all. Float formats convert (exact widening, rounding to
// nearest even). kInt8: scale = max|w| / 127 of the row. Affine formats: as MLX's quantize() does
// it, scale and bias rounded to scale_dtype. Lanes past target_rows must have been zeroed by the
// caller (arenas are). Callers of one panel must not run at once.
void pack_rows(const MatrixSource& source, std::int64_t row_begin, std::int64_t target_rows,
               const PackedFormat& target_format, std::byte* target);

// Rows of an MLX affine matrix: codes as a little-endian stream of `bits` each, row after row.
struct AffineSource {
  const std::byte* codes = nullptr;   // [rows][cols * bits / 8]
  const std::byte* scales = nullptr;  // [rows][cols / group], scale_dtype of the target
  const std::byte* biases = nullptr;  // the same
  int bits = 4;                       // 2, 3, 4, 5, 6 or 8
  std::int64_t rows = 0, cols = 0;
};
// The affine format that holds `bits`: 2 to 4 in nibbles, 5 to 8 in bytes.
PackedFormat affine_format(int bits, int group, DType scale_dtype);
// As pack_rows(), with the codes, scales and biases unchanged. The target is
// affine_format(source.bits, ...) of the source's group.
void pack_affine_rows(const AffineSource& source, std::int64_t row_begin, std::int64_t target_rows,
                      const PackedFormat& target_format, std::byte* target);

}  // namespace quire::kernels
