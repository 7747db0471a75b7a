// Who owns which page and state slot, and which token prefixes they hold. Integers only: the bytes
// live in cache/kv_store.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"

namespace quire::cache {

// What the manager must know of a KV group (models::KvGroup without the layers).
struct GroupConfig {
  std::int64_t window = 0;      // 0: full retention
  std::int32_t page_count = 0;  // pages of this group's pool
};

struct CacheConfig {
  int page_tokens = 16;             // G
  std::vector<GroupConfig> groups;  // may be empty (state-only models)
  std::int32_t state_slots = 0;     // working and published together; 0: no recurrent layers
  int state_stride_tokens = 512;    // extra snapshots during a long prefill
  bool prefix_cache = true;
  Hash128 fingerprint = {};  // model, formats and page geometry: part of every page hash
};

struct PoolStats {
  std::int64_t total = 0, referenced = 0, cached = 0, free = 0;  // sum of the last three = total
};

struct CacheStats {
  std::vector<PoolStats> groups;
  PoolStats states;
  std::uint64_t query_tokens = 0, hit_tokens = 0;
  // Tokens that missed, by reason: never seen, evicted earlier, no state snapshot at a useful
  // position, window pages gone.
  std::uint64_t miss_cold = 0, miss_evicted = 0, miss_state = 0, miss_window = 0;
};

class CacheManager;

}  // namespace quire::cache
