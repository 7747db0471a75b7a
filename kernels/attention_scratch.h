// How the scratch of one attention call is divided; the same for every instruction set.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/simd/elements.h"

namespace quire::kernels {

// Queries (row, head) that share one pass over the keys.
inline constexpr int kQueryBlock = 24;

// Per query: the scores of one segment, its weighted sum of values, and the sum over segments.
inline std::int64_t value_floats(const KvLayout& layout) {
  return (layout.value_read_dim() + kLanes - 1) / kLanes * kLanes;
}
inline std::int64_t scratch_floats(const KvLayout& layout) {
  return kQueryBlock * (Attention::kSegment + 2 * value_floats(layout));
}

}  // namespace quire::kernels
