// The cache's invariants, recomputed from the tables.
#include "base/check.h"

#include "cache/manager_impl.h"

namespace quire::cache {
namespace {

// The pages that a pool and the index name must name each other, and every reference must have a
// holder: `holders` counts them.
void check_pool(const PagePool& pool, std::span<const std::int32_t> holders, int group) {
  pool.check_invariants();
  for (std::int32_t page = 0; page < pool.count(); ++page) {
    CHECK(pool.references(page) == holders[static_cast<std::size_t>(page)],
          "page {} of group {} has {} references and {} holders", page, group,
          pool.references(page), holders[static_cast<std::size_t>(page)]);
  }
}

}  // namespace

void CacheManager::Impl::check_invariants() const {
  index.check_invariants();
  for (int g = kStateGroup; g < group_count(); ++g) {
    const PagePool& from = pool(g);
    std::vector<std::int32_t> holders(static_cast<std::size_t>(from.count()), 0);
    const auto hold = [&](std::int32_t page) { ++holders.at(static_cast<std::size_t>(page)); };
    for (const Sequence& it : sequences) {
      if (it.live) check_sequence(it, g, hold);
    }
    check_pool(from, holders, g);
    std::int64_t named = 0;
    for (const NodeId node : index.nodes()) {
      const std::int32_t page = g == kStateGroup ? index.state(node) : index.page(node, g);
      if (page < 0) continue;
      ++named;
      CHECK(from.entry(page) == node, "node {} names page {} of group {}, which names {}", node,
            page, g, from.entry(page));
    }
    for (std::int32_t page = 0; page < from.count(); ++page) {
      named -= from.entry(page) != PagePool::kNone ? 1 : 0;
    }
    CHECK(named == 0, "{} entries of group {} have no node", -named, g);
  }
}

void CacheManager::Impl::check_sequence(const Sequence& it, int group,
                                        const std::function<void(std::int32_t)>& hold) const {
  if (group == kStateGroup) {
    CHECK(recurrent() == (it.state.working >= 0), "working slot {}", it.state.working);
    if (it.state.working >= 0) {
      hold(it.state.working);
      CHECK(states.entry(it.state.working) == PagePool::kNone, "working slot {} is published",
            it.state.working);
    }
    for (const std::int32_t slot : it.state.returns) hold(slot);
    for (const PendingSnapshot& snapshot : it.state.pending) hold(snapshot.slot);
    return;
  }
  const auto g = static_cast<std::size_t>(group);
  const std::vector<std::int32_t>& table = it.tables[g];
  for (std::int64_t i = 0; i < std::ssize(table); ++i) {
    const std::int32_t page = table[static_cast<std::size_t>(i)];
    CHECK((page < 0) == (i < it.first_held[g]), "page {} at {} of group {}, first held {}", page, i,
          group, it.first_held[g]);
    if (page < 0) continue;
    hold(page);
    // What comes next is written into a page of its own, beyond what the index says of it.
    if ((i + 1) * config.page_tokens > it.computed) {
      const std::int32_t entry = pools[g].entry(page);
      CHECK(entry == kNoNode || (index.is_tail(entry) && index.end(entry) <= it.computed),
            "page {} of group {} will be written and is published", page, group);
    }
  }
  const std::int64_t window = config.groups[g].window;
  const std::int64_t visible =
      window == 0 ? 0 : std::max<std::int64_t>(0, it.computed - window + 1);
  CHECK(it.first_held[g] * config.page_tokens <= visible, "group {} lost token {}", group, visible);
  CHECK(std::ssize(table) * config.page_tokens >= it.computed, "group {} has no page for token {}",
        group, it.computed - 1);
}

}  // namespace quire::cache
