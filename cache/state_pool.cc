// The policy of recurrent snapshots.
#include "cache/state_pool.h"

#include <algorithm>

namespace quire::cache {

std::vector<std::int64_t> snapshot_positions(const SnapshotWish& wish) {
  std::vector<std::int64_t> positions;
  const std::int64_t last = wish.prompt_tokens - 1;
  if (wish.junction > wish.computed) positions.push_back(wish.junction);
  if (last > wish.computed) positions.push_back(last);
  const std::int64_t per_prompt = std::max(1, wish.slots / 8);
  const std::int64_t widened = (wish.prompt_tokens + per_prompt - 1) / per_prompt;
  std::int64_t stride = std::max(wish.stride, widened);
  stride = (stride + wish.page_tokens - 1) / wish.page_tokens * wish.page_tokens;
  for (std::int64_t at = stride; at < last; at += stride) {
    if (at > wish.computed) positions.push_back(at);
  }
  std::ranges::sort(positions);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

std::int32_t snapshots_max(std::int32_t slots) { return std::max(1, slots / 2); }

}  // namespace quire::cache
