// Remembers, for each thread, the ids of short pieces of text that come again and again.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "models/text/vocab.h"

namespace quire::text {

// Direct-mapped: a collision overwrites. One table a thread serves all tokenizers; the owner's
// number is part of the key. 2 MiB, allocated at the first use.
class PieceCache {
 public:
  static constexpr std::size_t kKeyBytes = 26;
  static constexpr std::size_t kIds = 8;
  struct Slot {
    std::uint32_t owner = 0;  // 0: empty
    std::uint8_t key_bytes = 0;
    std::uint8_t id_count = 0;
    char key[kKeyBytes] = {};
    std::int32_t ids[kIds] = {};
  };
  static_assert(sizeof(Slot) == 64);

  static PieceCache& of_this_thread();
  static std::uint32_t new_owner();

  // The slot for the key, whether it holds it or not; the key must have at most kKeyBytes.
  Slot& slot(std::uint32_t owner, std::string_view key) {
    return slots_[(hash_bytes(key) + owner * 0x9E3779B97F4A7C15ull) & (kSlots - 1)];
  }
  static bool holds(const Slot& slot, std::uint32_t owner, std::string_view key) {
    return slot.owner == owner && slot.key_bytes == key.size() &&
           std::memcmp(slot.key, key.data(), key.size()) == 0;
  }
  static void fill(Slot& slot, std::uint32_t owner, std::string_view key,
                   std::span<const std::int32_t> ids);

 private:
  static constexpr std::size_t kSlots = 1 << 15;
  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
};

}  // namespace quire::text
