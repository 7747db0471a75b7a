// Who owns which page and state slot, and which token prefixes they hold. Integers only: the bytes
// live in cache/kv_store.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/cache_view.h"
#include "cache/orders.h"
#include "cache/page_pool.h"

namespace quire::cache {

// What the manager must know of a KV group (models::KvGroup without the layers).
struct GroupConfig {
  std::int64_t window = 0;      // tokens visible, self included; 0: full retention
  std::int32_t page_count = 0;  // pages of this group's pool
};

struct CacheConfig {
  int page_tokens = 16;             // G
  std::vector<GroupConfig> groups;  // may be empty (state-only models)
  std::int32_t state_slots = 0;     // working and published together; 0: no recurrent layers
  int state_stride_tokens = 512;    // extra snapshots during a long prefill
  bool prefix_cache = true;
  std::int64_t index_nodes_max = 0;  // known pages of tokens; 0: 8 for each page, at least 65,536
  Hash128 fingerprint = {};          // model, formats and page geometry: part of every page hash
  int debug_hash_bits = 128;         // fewer make collisions, for tests
};

struct CacheStats {
  std::vector<PoolStats> groups;
  PoolStats states;
  std::uint64_t query_tokens = 0, hit_tokens = 0;
  // Tokens that missed, by reason: never seen, evicted earlier, no state snapshot at a useful
  // position, window pages gone.
  std::uint64_t miss_cold = 0, miss_evicted = 0, miss_state = 0, miss_window = 0;
};

using SequenceId = std::int32_t;

// What a sequence asks of the cache at its start.
struct SequenceRequest {
  std::span<const std::int32_t> tokens;  // all known ones, at least one
  std::span<const Hash128> page_hashes;  // of their full pages, by extend_page_hashes()
  Hash128 cache_namespace = {};
  bool read = true, write = true;
  std::int64_t prompt_tokens = 0;   // a state snapshot is wanted just before the prompt's end
  std::int64_t reserve_tokens = 0;  // room that must be there for it and stays promised to it
  bool counts = true;               // in the hit statistics: a first admission
};

struct Admission {
  SequenceId sequence = -1;
  std::int64_t computed = 0;  // the prefix hit, below tokens.size()
  MissedTokens missed = {};   // of a lookup that counts
};

// A life: acquire, then any number of (grow, plan_saves, advance), then release or discard. Pages
// and states are published by advance() and release(), after they were computed.
//
// Invariants (check_invariants):
//  - free + referenced + cached = total for each pool; a page's references are the tables that
//    hold it; entries of the pools and nodes of the index name each other;
//  - slots of a page that are published, or visible to a second table, are never written;
//  - a published state is never written.
class CacheManager {
 public:
  explicit CacheManager(const CacheConfig& config);
  ~CacheManager();

  const CacheConfig& config() const;

  // Appends the chained hashes of the full pages of `tokens` that `hashes` lacks.
  void extend_page_hashes(Hash128 cache_namespace, std::span<const std::int32_t> tokens,
                          std::vector<Hash128>& hashes) const;

  // True when an empty cache holds a sequence of that many computed tokens.
  bool fits_empty(std::int64_t tokens) const;

  // Starts a sequence from the longest usable prefix; gives the copies, restores and zeros that
  // must run before its first step. Nothing is taken when there is no room for it.
  std::optional<Admission> acquire(const SequenceRequest& request, MemoryOrders& orders);

  // Lets pages cover tokens [computed, end) as far as unreferenced pages go; returns how far.
  std::int64_t grow(SequenceId sequence, std::int64_t end);

  // A snapshot at that position would serve another sequence: its prefix ends there.
  void want_snapshot(SequenceId sequence, std::int64_t position);

  // State saves for the next `rows` rows, of which the last `drafts` are unverified: wanted
  // snapshots, and one slot after each row that a rejection may return to. Lowers `drafts` to the
  // slots there are; then rows must be lowered by the same number. Valid until advance().
  std::span<const StateSaveOrder> plan_saves(SequenceId sequence, std::int64_t rows, int& drafts);

  // The step computed `tokens` up to `computed`, of which the last `accepted` had been drafts.
  // Publishes, frees what lies behind windows and behind the new end.
  void advance(SequenceId sequence, std::span<const std::int32_t> tokens, std::int64_t computed,
               int accepted);

  // Ends the sequence. Its computed prefix (as of the last advance) stays in the cache as long as
  // nobody needs the room.
  void release(SequenceId sequence, std::span<const std::int32_t> tokens);
  // Ends it and takes back all that it published.
  void discard(SequenceId sequence);

  // [group][page] of the sequence; -1 behind a window. Valid until its next call.
  std::span<const std::span<const std::int32_t>> page_tables(SequenceId sequence) const;
  std::int32_t state_slot(SequenceId sequence) const;  // -1: no recurrent layers
  // Pages, over all groups, that no other sequence holds: what ending it would make available.
  std::int64_t exclusive_pages(SequenceId sequence) const;

  // Frees every cached page and snapshot that is not referenced.
  struct Reset {
    std::int64_t pages = 0, states = 0;
  };
  Reset reset();

  CacheStats stats() const;
  // For an observer: no tokens, bounded in size.
  CacheView view(const CacheViewLimits& limits) const;
  // Aborts with the broken invariant.
  void check_invariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire::cache
