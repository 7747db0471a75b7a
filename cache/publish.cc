// What a sequence leaves in the index: full pages, partly filled tails, state snapshots.
#include <algorithm>

#include "base/check.h"
#include "cache/manager_impl.h"

namespace quire::cache {

// Everything new up to `computed`, in the order of positions, so that the cursor is always the
// page bound before the next thing.
void CacheManager::Impl::publish(Sequence& it, std::span<const std::int32_t> tokens) {
  if (!it.write) {
    for (const PendingSnapshot& snapshot : it.state.pending) states.release(snapshot.slot);
    it.state.pending.clear();
    return;
  }
  place_cursor(it);
  std::size_t next_snapshot = 0;
  const auto publish_states_until = [&](std::int64_t end) {
    while (next_snapshot < it.state.pending.size() &&
           it.state.pending[next_snapshot].position < end) {
      const PendingSnapshot& snapshot = it.state.pending[next_snapshot++];
      publish_state(it, tokens, snapshot.position, snapshot.slot);
    }
  };
  while (it.write && index.end(it.cursor) + config.page_tokens <= it.computed) {
    publish_states_until(index.end(it.cursor) + config.page_tokens);
    publish_page(it, tokens);
  }
  publish_states_until(it.computed + 1);
  it.state.pending.clear();
  if (it.computed >= it.prompt_tokens && !it.prompt_tail_published) {
    it.prompt_tail_published = true;
    publish_tail(it, tokens);
  }
}

void CacheManager::Impl::place_cursor(Sequence& it) {
  if (it.cursor != kNoNode) return;
  it.cursor = index.add_root(it.cache_namespace);
  index.pin(it.cursor);
}

void CacheManager::Impl::publish_page(Sequence& it, std::span<const std::int32_t> tokens) {
  if (!make_node_room()) {
    it.write = false;
    return;
  }
  const std::int64_t begin = index.end(it.cursor);
  const auto page_tokens =
      tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(config.page_tokens));
  const NodeId node =
      index.add_child(it.cursor, index.page_hash(index.hash(it.cursor), page_tokens), page_tokens);
  index.pin(node);
  index.unpin(it.cursor);
  it.cursor = node;
  for (int g = 0; g < group_count(); ++g) {
    std::vector<std::int32_t>& table = it.tables[static_cast<std::size_t>(g)];
    std::int32_t& page = table[static_cast<std::size_t>(begin / config.page_tokens)];
    if (page >= 0) put_page(node, g, page);
  }
  drop_covered_tails(node);
}

// A page of equal content that the index has already takes the place of ours.
void CacheManager::Impl::put_page(NodeId node, int group, std::int32_t& page) {
  PagePool& from = pool(group);
  const std::int32_t existing = index.page(node, group);
  if (existing == page) return;
  if (existing >= 0) {
    from.retain(existing);
    from.release(page);
    page = existing;
    return;
  }
  if (from.entry(page) != PagePool::kNone) detach(group, page);
  from.set_entry(page, node);
  index.set_page(node, group, page);
}

// A tail whose tokens begin the node's own holds nothing that the node does not.
void CacheManager::Impl::drop_covered_tails(NodeId node) {
  for (NodeId tail = index.first_tail(index.parent(node)); tail != kNoNode;) {
    const NodeId next = index.next_sibling(tail);
    const std::int64_t count = std::ssize(index.tokens(tail));
    if (tail != node && common_prefix(index.tokens(tail), index.tokens(node)) == count) {
      index.pin(tail);
      for (int g = 0; g < group_count(); ++g) {
        if (index.page(tail, g) >= 0 && index.page(node, g) >= 0) detach(g, index.page(tail, g));
      }
      index.unpin(tail);
    }
    tail = next;
  }
}

bool CacheManager::Impl::full_child_covers(NodeId parent,
                                           std::span<const std::int32_t> tail) const {
  int looked = 0;
  for (NodeId child = index.first_child(parent);
       child != kNoNode && looked < PrefixIndex::kSiblingsMax; child = index.next_sibling(child)) {
    ++looked;
    if (common_prefix(index.tokens(child), tail) < std::ssize(tail)) continue;
    bool holds = true;
    for (int g = 0; g < group_count(); ++g) holds &= index.page(child, g) >= 0;
    if (holds) return true;
  }
  return false;
}

void CacheManager::Impl::publish_tail(Sequence& it, std::span<const std::int32_t> tokens) {
  const std::int64_t count = it.computed % config.page_tokens;
  if (!it.write || count == 0 || group_count() == 0) return;
  CHECK(index.end(it.cursor) == it.computed - count, "cursor at {}, computed {}",
        index.end(it.cursor), it.computed);
  const auto tail = tokens.subspan(static_cast<std::size_t>(it.computed - count),
                                   static_cast<std::size_t>(count));
  if (full_child_covers(it.cursor, tail) || !make_node_room()) return;
  const NodeId node = tail_node(it.cursor, tail);
  index.pin(node);
  for (int g = 0; g < group_count(); ++g) {
    PagePool& from = pool(g);
    const std::int32_t page = it.tables[static_cast<std::size_t>(g)]
                                       [static_cast<std::size_t>(it.computed / config.page_tokens)];
    if (index.page(node, g) >= 0) continue;
    if (from.entry(page) != PagePool::kNone) detach(g, page);
    from.set_entry(page, node);
    index.set_page(node, g, page);
  }
  drop_covered_tails(node);
  index.unpin(node);
}

// The slot is given up: it becomes a snapshot, or free where one was there already.
void CacheManager::Impl::publish_state(Sequence& it, std::span<const std::int32_t> tokens,
                                       std::int64_t position, std::int32_t slot) {
  const std::int64_t count = position % config.page_tokens;
  NodeId node = it.cursor;
  const bool room = it.write && position > 0 && (count == 0 || make_node_room());
  if (room) {
    CHECK(index.end(it.cursor) == position - count, "cursor at {}, snapshot at {}",
          index.end(it.cursor), position);
    if (count > 0) {
      node = tail_node(it.cursor, tokens.subspan(static_cast<std::size_t>(position - count),
                                                 static_cast<std::size_t>(count)));
    }
    if (index.state(node) < 0) {
      states.set_entry(slot, node);
      index.set_state(node, slot);
    }
  }
  states.release(slot);
  if (states.stats().cached > snapshots_max(config.state_slots)) {
    detach(kStateGroup, states.oldest_cached());
  }
}

NodeId CacheManager::Impl::tail_node(NodeId parent, std::span<const std::int32_t> tokens) {
  if (const NodeId found = index.find_tail(parent, tokens); found != kNoNode) return found;
  if (index.tail_count(parent) >= PrefixIndex::kTailsMax) strip(index.last_tail(parent));
  return index.add_tail(parent, tokens);
}

// Keeps the index small beside the pages: chains of nodes whose pages are gone would pile up.
bool CacheManager::Impl::make_node_room() {
  while (index.node_count() >= nodes_max) {
    bool evicted_one = false;
    for (int g = kStateGroup; g < group_count(); ++g) {
      const std::int32_t oldest = pool(g).oldest_cached();
      if (oldest == PagePool::kNone) continue;
      detach(g, oldest);
      evicted_one = true;
    }
    if (!evicted_one) return false;
  }
  return true;
}

void CacheManager::Impl::detach(int group, std::int32_t page) {
  PagePool& from = pool(group);
  const NodeId node = from.entry(page);
  from.forget(page);
  if (group == kStateGroup) {
    index.set_state(node, -1);
  } else {
    index.set_page(node, group, -1);
  }
  index.prune(node);
}

void CacheManager::Impl::strip(NodeId node) {
  index.pin(node);
  for (int g = 0; g < group_count(); ++g) {
    if (index.page(node, g) >= 0) detach(g, index.page(node, g));
  }
  if (index.state(node) >= 0) detach(kStateGroup, index.state(node));
  index.unpin(node);
}

void CacheManager::Impl::unpublish(Sequence& it) {
  NodeId node = it.cursor;
  while (node != kNoNode) {
    const NodeId above = index.parent(node);
    index.pin(node);
    while (index.first_tail(node) != kNoNode) strip(index.first_tail(node));
    if (index.end(node) > it.hit_tokens) strip(node);
    const bool own = index.end(node) > it.hit_tokens;
    index.unpin(node);
    node = own ? above : kNoNode;
  }
}

}  // namespace quire::cache
