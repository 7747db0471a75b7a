// The bytes of pages and recurrent states, and the copies and zeros that the cache orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/arena.h"
#include "cache/orders.h"
#include "kernels/paged_kv.h"

namespace quire::cache {

struct KvStoreConfig {
  struct Group {
    std::int64_t page_bytes = 0;  // one page, all layers of the group
    std::int32_t page_count = 0;
  };
  std::vector<Group> groups;     // as CacheConfig::groups
  std::int64_t state_bytes = 0;  // one slot, all recurrent layers; 0: none
  std::int32_t state_slots = 0;
};

// Page p of group g begins at kv_base()[g] + p * kv_page_bytes()[g]. Reads as zero at first.
// One thread at a time.
class KvStore {
 public:
  explicit KvStore(const KvStoreConfig& config);

  // Takes the memory of all pages and states from the system now instead of at their first use.
  // False: it did not give all of it.
  bool populate();

  // What models::StepMemory needs. The spans live as long as the store.
  std::span<std::byte* const> kv_base() const { return bases_; }
  std::span<const std::int64_t> kv_page_bytes() const { return page_bytes_; }
  kernels::StateSlots states() const { return {states_.data(), config_.state_bytes}; }

  // Page copies, state copies, then zeros, each in order. CHECKs every index.
  void execute(std::span<const PageCopy> page_copies, std::span<const StateCopy> state_copies,
               std::span<const std::int32_t> state_zeros);
  void execute(const MemoryOrders& orders) {
    execute(orders.page_copies, orders.state_copies, orders.state_zeros);
  }

  std::int64_t bytes() const;  // of all pages and states

 private:
  std::byte* page(int group, std::int32_t index) const;
  std::byte* state(std::int32_t slot) const;

  KvStoreConfig config_;
  std::vector<Arena> pages_;
  std::vector<std::byte*> bases_;
  std::vector<std::int64_t> page_bytes_;
  Arena states_;
};

}  // namespace quire::cache
