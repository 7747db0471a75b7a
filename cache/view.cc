// The observer's picture of pools and prefixes. Linear in the pages (8 bytes each) and bounded in
// the nodes, so that a look at a million pages takes about a millisecond.
#include <algorithm>
#include <deque>

#include "cache/manager_impl.h"

namespace quire::cache {
namespace {

PoolView view_of(const PagePool& pool, int runs_max) {
  PoolView view;
  view.stats = pool.stats();
  for (std::int32_t page = 0; page < pool.count(); ++page) {
    const bool free = pool.references(page) == 0 && pool.entry(page) == PagePool::kNone;
    const std::int32_t references = free ? PageRun::kFreeRun : pool.references(page);
    if (view.runs.empty() || view.runs.back().references != references) {
      if (std::ssize(view.runs) == runs_max) break;
      view.runs.push_back({references, 0});
    }
    ++view.runs.back().count;
    ++view.listed;
  }
  return view;
}

// Breadth first, so that what is cut off are the deepest chains.
class TreeWalk {
 public:
  TreeWalk(const PrefixIndex& index, std::span<const PagePool> pools, const CacheViewLimits& limits,
           CacheView& view)
      : index_(index), pools_(pools), limits_(limits), view_(view) {}

  void run() {
    int root = 0;
    for (NodeId id = index_.first_root(); id != kNoNode; id = index_.next_sibling(id)) {
      if (root > limits_.chains) break;
      expand(id, -1, root++);
    }
    while (!pending_.empty()) {
      const Pending next = pending_.front();
      pending_.pop_front();
      follow(next);
    }
  }

 private:
  struct Pending {
    NodeId node = kNoNode;
    int parent = -1, root = 0;
  };

  std::int32_t references(NodeId node) const {
    std::int32_t most = 0;
    for (std::size_t g = 0; g < pools_.size(); ++g) {
      const std::int32_t page = index_.page(node, static_cast<int>(g));
      if (page >= 0) most = std::max(most, pools_[g].references(page));
    }
    return most;
  }
  std::int32_t first_page(NodeId node) const { return !pools_.empty() ? index_.page(node, 0) : -1; }
  NodeId only_child(NodeId node) const {
    const NodeId child = index_.first_child(node);
    const bool one = child != kNoNode && index_.next_sibling(child) == kNoNode &&
                     index_.first_tail(node) == kNoNode;
    return one ? child : kNoNode;
  }

  void expand(NodeId node, int parent, int root) {
    for (const NodeId first : {index_.first_child(node), index_.first_tail(node)}) {
      for (NodeId child = first; child != kNoNode; child = index_.next_sibling(child)) {
        if (++visits_ <= limits_.visits) {
          pending_.push_back({child, parent, root});
        } else if (parent >= 0) {
          ++view_.chains[static_cast<std::size_t>(parent)].hidden_children;
        }
      }
    }
  }

  void follow(const Pending& from) {
    if (std::ssize(view_.chains) == limits_.chains) {
      if (from.parent >= 0) {
        ++view_.chains[static_cast<std::size_t>(from.parent)].hidden_children;
      }
      return;
    }
    PrefixChain chain;
    chain.parent = from.parent;
    chain.root = from.root;
    chain.begin = index_.end(from.node) - std::ssize(index_.tokens(from.node));
    chain.references = references(from.node);
    chain.first_page = first_page(from.node);
    NodeId node = from.node;
    while (true) {
      chain.end = index_.end(node);
      chain.pages += first_page(node) >= 0 ? 1 : 0;
      chain.snapshots += index_.state(node) >= 0 ? 1 : 0;
      const NodeId next = only_child(node);
      if (next == kNoNode || visits_ >= limits_.visits) break;
      if (references(next) != chain.references) break;
      if ((first_page(next) >= 0) != (first_page(node) >= 0)) break;
      ++visits_;
      node = next;
    }
    view_.chains.push_back(chain);
    expand(node, static_cast<int>(view_.chains.size()) - 1, from.root);
  }

  const PrefixIndex& index_;
  std::span<const PagePool> pools_;
  const CacheViewLimits limits_;
  CacheView& view_;
  std::deque<Pending> pending_;
  int visits_ = 0;
};

}  // namespace

CacheView CacheManager::view(const CacheViewLimits& limits) const {
  CacheView view;
  for (const PagePool& pool : impl_->pools) view.groups.push_back(view_of(pool, limits.runs));
  view.states = view_of(impl_->states, limits.runs);
  view.nodes = impl_->index.node_count();
  TreeWalk(impl_->index, impl_->pools, limits, view).run();
  return view;
}

}  // namespace quire::cache
