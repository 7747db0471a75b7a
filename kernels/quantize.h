// Affine quantization of float groups as MLX does it, and code streams of every bit width.
#pragma once

#include <cstdint>

#include "kernels/packed_matrix.h"

namespace quire::kernels {

// weight = code * scale + bias for the codes of one group.
struct AffineGroup {
  float scale = 0, bias = 0;
};

// Quantizes `group` elements (a multiple of 8) to codes of 2 to 8 bits, one in each byte. Codes,
// scale and bias equal those of mlx.core.quantize() bit for bit: the scale's sign is chosen so that
// the element of largest magnitude becomes the bias, and the scale is stretched so that zero is
// exact. A group with NaN or infinity has a NaN scale.
AffineGroup quantize_affine(const float* w, int group, int bits, std::uint8_t* codes);

// Bytes of `count` codes in a stream. REQUIRES: count a multiple of 8.
constexpr std::int64_t code_stream_bytes(int bits, std::int64_t count) { return count / 8 * bits; }
// A little-endian stream of 2, 3, 4, 5, 6 or 8 bits a code to bytes. REQUIRES: count a multiple
// of 8.
void unpack_codes(const std::byte* stream, int bits, std::int64_t count, std::uint8_t* codes);

// Rows of an affine matrix as f32 [rows, cols]: fma(code, scale, bias).
void dequantize_rows(const AffineSource& source, int group, DType scale_dtype, float* out);

// Element `index` of an array of f32, bf16 or f16, widened.
float widened(const std::byte* data, DType dtype, std::int64_t index);

}  // namespace quire::kernels
