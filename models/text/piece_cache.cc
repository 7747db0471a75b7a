// One table for each thread, one number for each tokenizer.
#include "models/text/piece_cache.h"

#include <algorithm>
#include <atomic>

namespace quire::text {

PieceCache& PieceCache::of_this_thread() {
  thread_local PieceCache cache;
  return cache;
}

std::uint32_t PieceCache::new_owner() {
  static std::atomic<std::uint32_t> last{0};
  return ++last;
}

void PieceCache::fill(Slot& slot, std::uint32_t owner, std::string_view key,
                      std::span<const std::int32_t> ids) {
  if (key.size() > kKeyBytes || ids.size() > kIds) return;
  slot.owner = owner;
  slot.key_bytes = static_cast<std::uint8_t>(key.size());
  slot.id_count = static_cast<std::uint8_t>(ids.size());
  std::memcpy(slot.key, key.data(), key.size());
  std::copy(ids.begin(), ids.end(), slot.ids);
}

}  // namespace quire::text
