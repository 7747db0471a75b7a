// Page and state memory, one arena per KV group and one for the states.
#include "cache/kv_store.h"

#include <cstring>

#include "base/check.h"

namespace quire::cache {

KvStore::KvStore(const KvStoreConfig& config) : config_(config) {
  for (const KvStoreConfig::Group& group : config_.groups) {
    CHECK(group.page_bytes > 0 && group.page_count > 0, "a KV group of {} pages of {} bytes",
          group.page_count, group.page_bytes);
    pages_.emplace_back(static_cast<std::size_t>(group.page_bytes) *
                        static_cast<std::size_t>(group.page_count));
    bases_.push_back(pages_.back().data());
    page_bytes_.push_back(group.page_bytes);
  }
  CHECK((config_.state_bytes > 0) == (config_.state_slots > 0), "{} state slots of {} bytes",
        config_.state_slots, config_.state_bytes);
  if (config_.state_slots > 0) {
    states_ = Arena(static_cast<std::size_t>(config_.state_bytes) *
                    static_cast<std::size_t>(config_.state_slots));
  }
}

bool KvStore::populate() {
  bool all = states_.populate();
  for (Arena& pages : pages_) all = pages.populate() && all;
  return all;
}

void KvStore::execute(std::span<const PageCopy> page_copies,
                      std::span<const StateCopy> state_copies,
                      std::span<const std::int32_t> state_zeros) {
  for (const PageCopy& copy : page_copies) {
    // The whole page: which bytes belong to the leading tokens differs by layout, and slots past
    // them are written before they are read.
    std::byte* const to = page(copy.group, copy.to);
    const auto bytes = page_bytes_[static_cast<std::size_t>(copy.group)];
    std::memcpy(to, page(copy.group, copy.from), static_cast<std::size_t>(bytes));
  }
  const auto state_bytes = static_cast<std::size_t>(config_.state_bytes);
  for (const StateCopy& copy : state_copies) {
    std::memcpy(state(copy.to), state(copy.from), state_bytes);
  }
  for (const std::int32_t slot : state_zeros) std::memset(state(slot), 0, state_bytes);
}

std::int64_t KvStore::bytes() const {
  std::int64_t total = config_.state_bytes * config_.state_slots;
  for (const KvStoreConfig::Group& group : config_.groups) {
    total += group.page_bytes * group.page_count;
  }
  return total;
}

std::byte* KvStore::page(int group, std::int32_t index) const {
  const auto g = static_cast<std::size_t>(group);
  CHECK(g < config_.groups.size() && index >= 0 && index < config_.groups[g].page_count,
        "page {} of KV group {}", index, group);
  return bases_[g] + index * page_bytes_[g];
}

std::byte* KvStore::state(std::int32_t slot) const {
  CHECK(slot >= 0 && slot < config_.state_slots, "state slot {} of {}", slot, config_.state_slots);
  return states_.data() + slot * config_.state_bytes;
}

}  // namespace quire::cache
