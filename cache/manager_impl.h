// The parts of CacheManager, shared by the files that implement it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cache/cache_manager.h"
#include "cache/page_pool.h"
#include "cache/prefix_index.h"
#include "cache/prefix_match.h"
#include "cache/state_pool.h"

namespace quire::cache {

struct Sequence {
  bool live = false;
  bool write = false;  // publishes
  Hash128 cache_namespace;
  std::int64_t computed = 0, prompt_tokens = 0, reserve_tokens = 0;
  std::int64_t hit_tokens = 0;                    // of its own start
  std::vector<std::vector<std::int32_t>> tables;  // [group][page], -1 behind a window
  std::vector<std::int64_t> first_held;           // [group]: pages before it are -1
  std::vector<std::span<const std::int32_t>> views;
  // The node at the last published page bound, pinned; kNoNode before the first publication.
  NodeId cursor = kNoNode;
  bool prompt_tail_published = false;
  SequenceState state;
};

// Remembers hashes of evicted pages, so that a miss can be told from a first sight. Direct-mapped:
// a newer one replaces an older one.
class EvictedHashes {
 public:
  explicit EvictedHashes(std::int64_t pages);
  void add(Hash128 hash) { slots_[hash.low & (slots_.size() - 1)] = hash.high ^ hash.low; }
  bool has(Hash128 hash) const {
    return slots_[hash.low & (slots_.size() - 1)] == (hash.high ^ hash.low);
  }

 private:
  std::vector<std::uint64_t> slots_;  // power of two
};

struct CacheManager::Impl {
  explicit Impl(const CacheConfig& config);

  static constexpr int kStateGroup = -1;  // beside the KV groups: the state slots

  int group_count() const { return static_cast<int>(config.groups.size()); }
  bool recurrent() const { return config.state_slots > 0; }
  PagePool& pool(int group) {
    return group == kStateGroup ? states : pools[static_cast<std::size_t>(group)];
  }
  const PagePool& pool(int group) const {
    return group == kStateGroup ? states : pools[static_cast<std::size_t>(group)];
  }
  Sequence& sequence(SequenceId id);

  // The most pages that `tokens` computed tokens need at once in the group, one row at a time.
  std::int64_t pages_max(int group, std::int64_t tokens) const;
  std::int64_t held(const Sequence& it, int group) const;
  // Pages that running sequences were promised and do not hold yet.
  std::int64_t promised(int group) const;

  // acquire.cc
  PrefixMatch match(const SequenceRequest& request) const;
  bool has_room(const SequenceRequest& request, const PrefixMatch& match) const;
  Admission start(const SequenceRequest& request, const PrefixMatch& match, MemoryOrders& orders);
  void attach_pages(Sequence& it, const PrefixMatch& match);
  void start_tail(Sequence& it, const PrefixMatch& match, MemoryOrders& orders);
  MissedTokens count_query(const SequenceRequest& request, const PrefixMatch& match);
  // An unreferenced page with one reference, evicting what it held; kNone when there is none.
  std::int32_t take(int group);

  // publish.cc
  void publish(Sequence& it, std::span<const std::int32_t> tokens);
  void place_cursor(Sequence& it);
  void publish_page(Sequence& it, std::span<const std::int32_t> tokens);
  void publish_tail(Sequence& it, std::span<const std::int32_t> tokens);
  void publish_state(Sequence& it, std::span<const std::int32_t> tokens, std::int64_t position,
                     std::int32_t slot);
  void put_page(NodeId node, int group, std::int32_t& page);
  void drop_covered_tails(NodeId node);
  bool full_child_covers(NodeId parent, std::span<const std::int32_t> tail) const;
  bool make_node_room();
  NodeId tail_node(NodeId parent, std::span<const std::int32_t> tokens);
  // Takes the page or state out of the index; prunes the node that named it.
  void detach(int group, std::int32_t page);
  void strip(NodeId node);  // of everything it names
  void unpublish(Sequence& it);

  // check.cc
  void check_invariants() const;
  void check_sequence(const Sequence& it, int group,
                      const std::function<void(std::int32_t)>& hold) const;

  // cache_manager.cc
  void settle_returns(Sequence& it, int accepted);
  void trim(Sequence& it);
  void free_step_slots(Sequence& it);
  void free_sequence(Sequence& it);

  CacheConfig config;
  MatchRules rules;
  PrefixIndex index;
  std::vector<PagePool> pools;  // [group]
  PagePool states;
  std::vector<Sequence> sequences;
  std::vector<SequenceId> unused;
  EvictedHashes evicted;
  std::int64_t nodes_max = 0;
  CacheStats counters;  // the hit statistics
};

}  // namespace quire::cache
