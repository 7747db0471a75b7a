// Element types of stored tensors and the exact conversions between them and f32.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace quire {

enum class DType {
  kF32,
  kBf16,
  kF16,
  kF64,
  kI8,
  kU8,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,
  kU64,
  kBool,
  kF8E4M3,
  kF8E5M2
};

// Bytes of one element.
constexpr int dtype_bytes(DType dtype) {
  constexpr int kBytes[] = {4, 2, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1, 1, 1};  // in DType's order
  return kBytes[static_cast<int>(dtype)];
}
static_assert(dtype_bytes(DType::kF8E5M2) == 1 && dtype_bytes(DType::kI64) == 8);
// "f32", "bf16", ... for messages.
std::string_view dtype_name(DType dtype);

inline float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Round to nearest, ties to even; NaN stays NaN.
inline std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float f16_to_f32(std::uint16_t bits);
// Round to nearest, ties to even; overflow becomes infinity.
std::uint16_t f32_to_f16(float value);

}  // namespace quire
