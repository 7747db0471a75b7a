// How the scratch of one attention call is divided; the same for every instruction set.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace quire::kernels {

// Queries (row, head) that share one pass over the keys.
inline constexpr int kQueryBlock = 64;
// The last tile of queries is filled up with queries of zeros.
inline constexpr int kQuerySlots = kQueryBlock + 8;
// Tokens and blocks of a segment.
inline constexpr int kSegmentBlocks = Attention::kSegment / KvLayout::kBlock;

// Sections in floats: packed queries and one rounded query; scores, which become weights; sums of
// values; blocks of values that cannot be read from their page as they are.
struct AttentionScratch {
  explicit AttentionScratch(const KvLayout& layout)
      : key_pad((layout.key_dim + 15) / 16 * 16),
        value_pad(KvLayout::padded(layout.value_read_dim())) {}
  std::int64_t key_pad, value_pad;

  std::int64_t queries() const { return kQuerySlots * key_pad; }
  std::int64_t row() const { return key_pad; }
  std::int64_t scores() const { return std::int64_t{kQuerySlots} * Attention::kSegment; }
  std::int64_t totals() const { return kQuerySlots * value_pad; }
  std::int64_t values() const { return value_pad * Attention::kSegment; }
  // Of shared attention only: its queries in another order, and sums that two places share.
  std::int64_t shared() const { return queries() + totals(); }
  std::int64_t floats() const {
    return queries() + row() + scores() + totals() + values() + shared();
  }
};

}  // namespace quire::kernels
