// The forest of known prefixes: flat node storage, a chained hash table over full nodes.
#include "cache/prefix_index.h"

#include <algorithm>

#include "base/check.h"

namespace quire::cache {

std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t count = std::min(a.size(), b.size());
  const auto end = a.begin() + static_cast<std::ptrdiff_t>(count);
  return std::mismatch(a.begin(), end, b.begin()).first - a.begin();
}

PrefixIndex::PrefixIndex(const Config& config) : config_(config), buckets_(64, kNoNode) {
  CHECK(config_.page_tokens > 0, "pages of {} tokens", config_.page_tokens);
}

Hash128 PrefixIndex::cut(Hash128 hash) const {
  if (config_.hash_bits >= 128) return hash;
  return {0, hash.low & ((std::uint64_t{1} << config_.hash_bits) - 1)};
}

Hash128 PrefixIndex::root_hash(Hash128 cache_namespace) const {
  return cut(Hasher()
                 .add("quire prefix 1")
                 .add(config_.fingerprint.high)
                 .add(config_.fingerprint.low)
                 .add(static_cast<std::uint64_t>(config_.page_tokens))
                 .add(cache_namespace.high)
                 .add(cache_namespace.low)
                 .digest());
}

Hash128 PrefixIndex::page_hash(Hash128 parent, std::span<const std::int32_t> tokens) const {
  return cut(Hasher(parent).add(tokens).digest());
}

NodeId PrefixIndex::find_root(Hash128 cache_namespace) const {
  const Hash128 hash = root_hash(cache_namespace);
  for (NodeId id = buckets_[bucket(hash)]; id != kNoNode; id = node(id).chain) {
    const Node& it = node(id);
    if (it.parent == kNoNode && it.hash == hash && it.cache_namespace == cache_namespace) return id;
  }
  return kNoNode;
}

NodeId PrefixIndex::find_child(NodeId parent, Hash128 hash,
                               std::span<const std::int32_t> tokens) const {
  for (NodeId id = buckets_[bucket(hash)]; id != kNoNode; id = node(id).chain) {
    const Node& it = node(id);
    if (it.parent == parent && it.hash == hash && std::ranges::equal(this->tokens(id), tokens)) {
      return id;
    }
  }
  return kNoNode;
}

NodeId PrefixIndex::find_tail(NodeId parent, std::span<const std::int32_t> tokens) const {
  for (NodeId id = first_tail(parent); id != kNoNode; id = node(id).next) {
    if (std::ranges::equal(this->tokens(id), tokens)) return id;
  }
  return kNoNode;
}

NodeId PrefixIndex::last_tail(NodeId id) const {
  NodeId last = first_tail(id);
  while (last != kNoNode && node(last).next != kNoNode) last = node(last).next;
  return last;
}

std::span<const std::int32_t> PrefixIndex::tokens(NodeId id) const {
  const auto page_tokens = static_cast<std::size_t>(config_.page_tokens);
  return std::span(tokens_).subspan(static_cast<std::size_t>(id) * page_tokens,
                                    static_cast<std::size_t>(node(id).token_count));
}

NodeId PrefixIndex::add_root(Hash128 cache_namespace) {
  if (const NodeId found = find_root(cache_namespace); found != kNoNode) return found;
  const NodeId id = allocate();
  node(id).hash = root_hash(cache_namespace);
  node(id).cache_namespace = cache_namespace;
  link_bucket(id);
  link_first(first_root_, id);
  return id;
}

NodeId PrefixIndex::add_child(NodeId parent, Hash128 hash, std::span<const std::int32_t> tokens) {
  CHECK(std::ssize(tokens) == config_.page_tokens, "a full node of {} tokens", tokens.size());
  if (const NodeId found = find_child(parent, hash, tokens); found != kNoNode) return found;
  const NodeId id = allocate();
  Node& it = node(id);
  it.hash = hash;
  it.parent = parent;
  it.token_count = config_.page_tokens;
  it.end = end(parent) + it.token_count;
  std::ranges::copy(tokens,
                    tokens_.begin() + static_cast<std::ptrdiff_t>(id) * config_.page_tokens);
  link_bucket(id);
  link_sibling(parent, id);
  return id;
}

NodeId PrefixIndex::add_tail(NodeId parent, std::span<const std::int32_t> tokens) {
  CHECK(!tokens.empty() && std::ssize(tokens) < config_.page_tokens, "a tail of {} tokens",
        tokens.size());
  if (const NodeId found = find_tail(parent, tokens); found != kNoNode) return found;
  CHECK(tail_count(parent) < kTailsMax, "{} tails", tail_count(parent));
  const NodeId id = allocate();
  Node& it = node(id);
  it.is_tail = true;
  it.parent = parent;
  it.token_count = static_cast<std::int32_t>(tokens.size());
  it.end = end(parent) + it.token_count;
  std::ranges::copy(tokens,
                    tokens_.begin() + static_cast<std::ptrdiff_t>(id) * config_.page_tokens);
  link_sibling(parent, id);
  return id;
}

NodeId PrefixIndex::allocate() {
  if (unused_.empty()) {
    unused_.push_back(static_cast<NodeId>(nodes_.size()));
    nodes_.emplace_back();
    tokens_.resize(nodes_.size() * static_cast<std::size_t>(config_.page_tokens));
    pages_.resize(nodes_.size() * static_cast<std::size_t>(config_.group_count));
  }
  const NodeId id = unused_.back();
  unused_.pop_back();
  node(id) = {};
  node(id).live = true;
  for (int group = 0; group < config_.group_count; ++group) set_page(id, group, -1);
  ++live_;
  return id;
}

void PrefixIndex::link_sibling(NodeId parent, NodeId id) {
  Node& above = node(parent);
  NodeId& first = node(id).is_tail ? above.first_tail : above.first_child;
  if (node(id).is_tail) ++above.tail_count;
  link_first(first, id);
}

void PrefixIndex::link_first(NodeId& first, NodeId id) {
  node(id).next = first;
  if (first != kNoNode) node(first).previous = id;
  first = id;
}

void PrefixIndex::link_bucket(NodeId id) {
  if (live_ > std::ssize(buckets_)) grow_buckets();
  NodeId& first = buckets_[bucket(node(id).hash)];
  node(id).chain = first;
  first = id;
}

void PrefixIndex::grow_buckets() {
  std::vector<NodeId> old(buckets_.size() * 4, kNoNode);
  old.swap(buckets_);
  for (const NodeId first : old) {
    for (NodeId id = first; id != kNoNode;) {
      const NodeId next = node(id).chain;
      NodeId& head = buckets_[bucket(node(id).hash)];
      node(id).chain = head;
      head = id;
      id = next;
    }
  }
}

void PrefixIndex::unpin(NodeId id) {
  CHECK(node(id).pins > 0, "node {} was unpinned without a pin", id);
  --node(id).pins;
  prune(id);
}

void PrefixIndex::prune(NodeId id) {
  while (id != kNoNode) {
    const Node& it = node(id);
    CHECK(it.live, "node {} was pruned twice", id);
    const bool leaf = it.first_child == kNoNode && it.first_tail == kNoNode;
    if (!leaf || it.pins > 0 || it.state >= 0) return;
    for (int group = 0; group < config_.group_count; ++group) {
      if (page(id, group) >= 0) return;
    }
    const NodeId above = it.parent;
    remove(id);
    id = above;
  }
}

void PrefixIndex::remove(NodeId id) {
  Node& it = node(id);
  if (!it.is_tail) {
    NodeId* link = &buckets_[bucket(it.hash)];
    while (*link != id) link = &node(*link).chain;
    *link = it.chain;
  }
  const bool is_root = it.parent == kNoNode;
  NodeId& first = is_root      ? first_root_
                  : it.is_tail ? node(it.parent).first_tail
                               : node(it.parent).first_child;
  if (it.is_tail) --node(it.parent).tail_count;
  if (first == id) first = it.next;
  if (it.previous != kNoNode) node(it.previous).next = it.next;
  if (it.next != kNoNode) node(it.next).previous = it.previous;
  it.live = false;
  unused_.push_back(id);
  --live_;
}

std::vector<NodeId> PrefixIndex::nodes() const {
  std::vector<NodeId> all;
  for (NodeId id = 0; id < static_cast<NodeId>(nodes_.size()); ++id) {
    if (node(id).live) all.push_back(id);
  }
  return all;
}

void PrefixIndex::check_invariants() const {
  std::int64_t listed = 0, roots = 0;
  for (NodeId id = first_root(); id != kNoNode; id = node(id).next) {
    CHECK(node(id).live && node(id).parent == kNoNode, "node {} is no root", id);
    ++roots;
  }
  for (const NodeId id : nodes()) {
    const Node& it = node(id);
    bool holds =
        it.pins > 0 || it.state >= 0 || it.first_child != kNoNode || it.first_tail != kNoNode;
    for (int group = 0; group < config_.group_count; ++group) holds |= page(id, group) >= 0;
    CHECK(holds, "node {} holds nothing", id);
    CHECK(!it.is_tail || (it.first_child == kNoNode && it.first_tail == kNoNode),
          "tail {} has children", id);
    int tails = 0;
    for (const NodeId first : {it.first_child, it.first_tail}) {
      for (NodeId child = first; child != kNoNode; child = node(child).next) {
        CHECK(node(child).live && node(child).parent == id, "node {} is no child of {}", child, id);
        CHECK(node(child).end == it.end + node(child).token_count, "node {} ends at {}", child,
              node(child).end);
        tails += node(child).is_tail ? 1 : 0;
        ++listed;
      }
    }
    CHECK(tails == it.tail_count && tails <= kTailsMax, "node {} has {} tails", id, tails);
    if (it.parent == kNoNode) {
      CHECK(find_root(it.cache_namespace) == id, "root {} is lost", id);
      ++listed;
      --roots;
    } else if (!it.is_tail) {
      CHECK(find_child(it.parent, it.hash, tokens(id)) == id, "node {} is lost or doubled", id);
    }
  }
  CHECK(listed == live_ && roots == 0, "{} of {} nodes are reachable, {} roots too many", listed,
        live_, roots);
}

}  // namespace quire::cache
