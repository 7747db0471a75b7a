// Where a weight of a packed matrix lies: the layouts of PackedFormat as byte offsets.
#pragma once

#include <cstdint>

#include "kernels/packed_matrix.h"

namespace quire::kernels {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

// Bytes of the codes of one affine block.
constexpr std::int64_t affine_code_bytes(const PackedFormat& format) {
  const std::int64_t bytes = std::int64_t{format.group} * kPanelRows;
  return format.kind == PackedFormat::Kind::kAffine4 ? bytes / 2 : bytes;
}
// Bytes of one affine block: codes, scales, biases.
inline std::int64_t affine_block_bytes(const PackedFormat& format) {
  return affine_code_bytes(format) + std::int64_t{2} * kPanelRows * dtype_bytes(format.scale_dtype);
}

// Offsets within a panel, for its row `lane` and element k.
struct WeightPlace {
  std::int64_t code = 0;   // the element, or the byte that holds its code
  int shift = 0;           // bits of that byte below the code (kAffine4)
  std::int64_t scale = 0;  // quantized formats
  std::int64_t bias = 0;   // affine formats
};
inline WeightPlace weight_place(const PackedFormat& format, std::int64_t cols, int lane,
                                std::int64_t k) {
  using Kind = PackedFormat::Kind;
  // A run of `deep` neighbours along k of `bytes` each, lane after lane.
  const auto at = [&](std::int64_t element, int deep, int bytes) {
    return ((element / deep * kPanelRows + lane) * deep + element % deep) * bytes;
  };
  switch (format.kind) {
    case Kind::kF32:
      return {.code = at(k, 1, 4)};
    case Kind::kF16:
      return {.code = at(k, 1, 2)};
    case Kind::kBf16:
      return {.code = at(k, 2, 2)};
    case Kind::kInt8:
      return {.code = at(k, 4, 1), .scale = round_up(cols, 4) * kPanelRows + lane * 4};
    case Kind::kAffine4:
    case Kind::kAffine8:
      break;
  }
  const int scale_bytes = dtype_bytes(format.scale_dtype);
  const std::int64_t block = k / format.group * affine_block_bytes(format);
  const std::int64_t scale = block + affine_code_bytes(format) + lane * scale_bytes;
  WeightPlace place{.scale = scale, .bias = scale + kPanelRows * scale_bytes};
  std::int64_t element = k % format.group;
  if (format.kind == Kind::kAffine4 && element >= format.group / 2) {
    element -= format.group / 2;
    place.shift = 4;
  }
  place.code = block + at(element, 4, 1);
  return place;
}

}  // namespace quire::kernels
