// Which token prefixes the cache knows, and which pages and states hold them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/hash.h"

namespace quire::cache {

using NodeId = std::int32_t;
inline constexpr NodeId kNoNode = -1;

// A forest: one root per namespace; a node is one page of tokens after its parent. Full nodes (G
// tokens) are found by their chained 128-bit hash and compared token by token, so that a collision
// costs time and nothing else; tail nodes (fewer tokens) are leaves, found by a scan of their
// parent's list, which is kept short. A node names, for each KV group, the page that holds its
// tokens, and the state slot that holds the recurrent state exactly after its last token; either
// may be missing. A node lives as long as it has a page, a state, a child or a pin.
class PrefixIndex {
 public:
  struct Config {
    int page_tokens = 16;
    int group_count = 0;
    Hash128 fingerprint = {};
    int hash_bits = 128;
  };
  static constexpr int kTailsMax = 32;     // tail nodes of one parent
  static constexpr int kSiblingsMax = 32;  // full children looked at for a partial match

  explicit PrefixIndex(const Config& config);

  Hash128 root_hash(Hash128 cache_namespace) const;
  Hash128 page_hash(Hash128 parent, std::span<const std::int32_t> tokens) const;

  NodeId find_root(Hash128 cache_namespace) const;
  NodeId find_child(NodeId parent, Hash128 hash, std::span<const std::int32_t> tokens) const;
  NodeId find_tail(NodeId parent, std::span<const std::int32_t> tokens) const;
  NodeId add_root(Hash128 cache_namespace);
  // Finds or adds; an added node is removed by the next prune() unless something was put in it.
  NodeId add_child(NodeId parent, Hash128 hash, std::span<const std::int32_t> tokens);
  // REQUIRES: fewer than kTailsMax tails, or the node is there already.
  NodeId add_tail(NodeId parent, std::span<const std::int32_t> tokens);

  NodeId parent(NodeId id) const { return node(id).parent; }
  std::int64_t end(NodeId id) const { return node(id).end; }  // tokens from the root to its last
  Hash128 hash(NodeId id) const { return node(id).hash; }
  std::span<const std::int32_t> tokens(NodeId id) const;
  NodeId first_child(NodeId id) const { return node(id).first_child; }  // most recent first
  NodeId first_tail(NodeId id) const { return node(id).first_tail; }    // most recent first
  NodeId last_tail(NodeId id) const;
  // Of a child, a tail or a root.
  NodeId next_sibling(NodeId id) const { return node(id).next; }
  NodeId first_root() const { return first_root_; }  // most recent first
  int tail_count(NodeId id) const { return node(id).tail_count; }
  bool is_tail(NodeId id) const { return node(id).is_tail; }

  std::int32_t page(NodeId id, int group) const { return pages_[page_index(id, group)]; }
  void set_page(NodeId id, int group, std::int32_t page) { pages_[page_index(id, group)] = page; }
  std::int32_t state(NodeId id) const { return node(id).state; }
  void set_state(NodeId id, std::int32_t slot) { node(id).state = slot; }
  void pin(NodeId id) { ++node(id).pins; }
  void unpin(NodeId id);  // prunes

  // Removes the node, then its ancestors, as long as they hold nothing.
  void prune(NodeId id);

  std::int64_t node_count() const { return live_; }
  // Every live node; for checks and tests.
  std::vector<NodeId> nodes() const;
  int pins(NodeId id) const { return node(id).pins; }
  void check_invariants() const;

 private:
  struct Node {
    Hash128 hash;  // of the chain up to this node; a root's namespace hash
    Hash128 cache_namespace;
    std::int64_t end = 0;
    NodeId parent = kNoNode;
    NodeId first_child = kNoNode, first_tail = kNoNode;
    NodeId previous = kNoNode, next = kNoNode;  // siblings of the same kind; roots are siblings
    NodeId chain = kNoNode;                     // next in the hash bucket
    std::int32_t state = -1;
    std::int32_t token_count = 0;
    int tail_count = 0, pins = 0;
    bool is_tail = false, live = false;
  };

  Node& node(NodeId id) { return nodes_[static_cast<std::size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  std::size_t page_index(NodeId id, int group) const {
    return static_cast<std::size_t>(id) * static_cast<std::size_t>(config_.group_count) +
           static_cast<std::size_t>(group);
  }
  std::size_t bucket(Hash128 hash) const { return hash.low & (buckets_.size() - 1); }
  Hash128 cut(Hash128 hash) const;
  NodeId allocate();
  void link_sibling(NodeId parent, NodeId id);
  void link_first(NodeId& first, NodeId id);
  void link_bucket(NodeId id);
  void remove(NodeId id);
  void grow_buckets();

  Config config_;
  std::vector<Node> nodes_;
  std::vector<std::int32_t> tokens_;  // [node][G]
  std::vector<std::int32_t> pages_;   // [node][group], -1: none
  std::vector<NodeId> buckets_;       // power of two
  std::vector<NodeId> unused_;
  NodeId first_root_ = kNoNode;
  std::int64_t live_ = 0;
};

// Tokens that a and b have in common at their start.
std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

}  // namespace quire::cache
