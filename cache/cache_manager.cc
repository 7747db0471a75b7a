// The life of a sequence in the cache: grow, save, advance, release.
#include "cache/cache_manager.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "cache/manager_impl.h"

namespace quire::cache {
namespace {

std::int64_t page_total(const CacheConfig& config) {
  std::int64_t total = 0;
  for (const GroupConfig& group : config.groups) total += group.page_count;
  return total;
}

MatchRules match_rules(const CacheConfig& config) {
  MatchRules rules{config.page_tokens, {}, config.state_slots > 0};
  for (const GroupConfig& group : config.groups) rules.windows.push_back(group.window);
  return rules;
}

}  // namespace

EvictedHashes::EvictedHashes(std::int64_t pages)
    : slots_(std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(16, 4 * pages)))) {}

CacheManager::Impl::Impl(const CacheConfig& settings)
    : config(settings),
      rules(match_rules(settings)),
      index({settings.page_tokens, static_cast<int>(settings.groups.size()), settings.fingerprint,
             settings.debug_hash_bits}),
      states(settings.state_slots),
      evicted(page_total(settings)),
      nodes_max(settings.index_nodes_max > 0
                    ? settings.index_nodes_max
                    : std::max<std::int64_t>(65536, 8 * page_total(settings))) {
  CHECK(group_count() > 0 || recurrent(), "a cache of neither pages nor states");
  for (const GroupConfig& group : config.groups) {
    CHECK(group.page_count > 0 && group.window >= 0, "a KV group of {} pages, window {}",
          group.page_count, group.window);
    pools.emplace_back(group.page_count);
  }
}

Sequence& CacheManager::Impl::sequence(SequenceId id) {
  CHECK(id >= 0 && id < std::ssize(sequences) && sequences[static_cast<std::size_t>(id)].live,
        "no sequence {}", id);
  return sequences[static_cast<std::size_t>(id)];
}

std::int64_t CacheManager::Impl::pages_max(int group, std::int64_t tokens) const {
  const std::int64_t page_tokens = config.page_tokens;
  const std::int64_t all = (tokens + page_tokens - 1) / page_tokens;
  const std::int64_t window = config.groups[static_cast<std::size_t>(group)].window;
  // `window` consecutive tokens that begin at the end of a page.
  return window == 0 ? all : std::min(all, (window + page_tokens - 2) / page_tokens + 1);
}

std::int64_t CacheManager::Impl::held(const Sequence& it, int group) const {
  const auto g = static_cast<std::size_t>(group);
  return std::ssize(it.tables[g]) - it.first_held[g];
}

std::int64_t CacheManager::Impl::promised(int group) const {
  std::int64_t total = 0;
  for (const Sequence& it : sequences) {
    if (!it.live) continue;
    total += std::max<std::int64_t>(0, pages_max(group, it.reserve_tokens) - held(it, group));
  }
  return total;
}

// The slot that holds the state after the last accepted token becomes the working one.
void CacheManager::Impl::settle_returns(Sequence& it, int accepted) {
  std::vector<std::int32_t>& returns = it.state.returns;
  CHECK(returns.empty() || accepted <= std::ssize(returns), "{} of {} drafts accepted", accepted,
        returns.size());
  if (accepted < std::ssize(returns)) {
    std::swap(it.state.working, returns[static_cast<std::size_t>(accepted)]);
  }
  for (const std::int32_t slot : returns) states.release(slot);
  returns.clear();
}

// Lets go of pages that no later row reads: those behind the window of the next token, and those
// past its own page, which only rejected drafts wrote.
void CacheManager::Impl::trim(Sequence& it) {
  for (int g = 0; g < group_count(); ++g) {
    const auto at = static_cast<std::size_t>(g);
    std::vector<std::int32_t>& table = it.tables[at];
    while (std::ssize(table) > it.computed / config.page_tokens + 1) {
      pools[at].release(table.back());
      table.pop_back();
    }
    const std::int64_t window = config.groups[at].window;
    if (window == 0) continue;
    const std::int64_t first =
        std::min(std::ssize(table) + std::int64_t{0},
                 std::max<std::int64_t>(0, it.computed - window + 1) / config.page_tokens);
    for (; it.first_held[at] < first; ++it.first_held[at]) {
      std::int32_t& page = table[static_cast<std::size_t>(it.first_held[at])];
      pools[at].release(std::exchange(page, -1));
    }
  }
}

void CacheManager::Impl::free_step_slots(Sequence& it) {
  for (const PendingSnapshot& snapshot : it.state.pending) states.release(snapshot.slot);
  for (const std::int32_t slot : it.state.returns) states.release(slot);
  it.state.pending.clear();
  it.state.returns.clear();
}

void CacheManager::Impl::free_sequence(Sequence& it) {
  free_step_slots(it);
  if (it.state.working != PagePool::kNone) states.release(it.state.working);
  for (int g = 0; g < group_count(); ++g) {
    const auto at = static_cast<std::size_t>(g);
    for (std::int64_t i = std::ssize(it.tables[at]) - 1; i >= it.first_held[at]; --i) {
      pools[at].release(it.tables[at][static_cast<std::size_t>(i)]);
    }
  }
  if (it.cursor != kNoNode) index.unpin(it.cursor);
  unused.push_back(static_cast<SequenceId>(&it - sequences.data()));
  it = {};
}

CacheManager::CacheManager(const CacheConfig& config) : impl_(std::make_unique<Impl>(config)) {}
CacheManager::~CacheManager() = default;

const CacheConfig& CacheManager::config() const { return impl_->config; }

void CacheManager::extend_page_hashes(Hash128 cache_namespace, std::span<const std::int32_t> tokens,
                                      std::vector<Hash128>& hashes) const {
  const auto page_tokens = static_cast<std::size_t>(impl_->config.page_tokens);
  Hash128 hash = hashes.empty() ? impl_->index.root_hash(cache_namespace) : hashes.back();
  while ((hashes.size() + 1) * page_tokens <= tokens.size()) {
    hash = impl_->index.page_hash(hash, tokens.subspan(hashes.size() * page_tokens, page_tokens));
    hashes.push_back(hash);
  }
}

bool CacheManager::fits_empty(std::int64_t tokens) const {
  for (int g = 0; g < impl_->group_count(); ++g) {
    if (impl_->pages_max(g, tokens) > impl_->pools[static_cast<std::size_t>(g)].count()) {
      return false;
    }
  }
  return true;
}

std::int64_t CacheManager::grow(SequenceId id, std::int64_t end) {
  Sequence& it = impl_->sequence(id);
  const std::int64_t page_tokens = impl_->config.page_tokens;
  for (int g = 0; g < impl_->group_count(); ++g) {
    const auto at = static_cast<std::size_t>(g);
    const std::int64_t pages = std::ssize(it.tables[at]) + impl_->pools[at].available();
    end = std::min(end, pages * page_tokens);
  }
  for (int g = 0; g < impl_->group_count(); ++g) {
    std::vector<std::int32_t>& table = it.tables[static_cast<std::size_t>(g)];
    while (std::ssize(table) * page_tokens < end) table.push_back(impl_->take(g));
  }
  return end;
}

void CacheManager::want_snapshot(SequenceId id, std::int64_t position) {
  Sequence& it = impl_->sequence(id);
  if (!impl_->recurrent() || !it.write || position <= it.computed) return;
  std::vector<std::int64_t>& wanted = it.state.wanted;
  const auto at = std::ranges::lower_bound(wanted, position);
  if (at == wanted.end() || *at != position) wanted.insert(at, position);
}

std::span<const StateSaveOrder> CacheManager::plan_saves(SequenceId id, std::int64_t rows,
                                                         int& drafts) {
  Sequence& it = impl_->sequence(id);
  SequenceState& state = it.state;
  state.saves.clear();
  if (!impl_->recurrent()) return {};
  const std::int64_t fixed = rows - drafts;
  for (const std::int64_t position : state.wanted) {
    if (position <= it.computed || position > it.computed + fixed) continue;
    const std::int32_t slot = impl_->take(Impl::kStateGroup);
    if (slot == PagePool::kNone) break;
    state.pending.push_back({position, slot});
    state.saves.push_back({static_cast<int>(position - it.computed - 1), slot});
  }
  // Free slots only: guesses are not worth a snapshot.
  for (int draft = 0; draft < drafts; ++draft) {
    if (impl_->states.stats().free == 0) {
      drafts = draft;
      break;
    }
    const std::int32_t slot = impl_->take(Impl::kStateGroup);
    state.returns.push_back(slot);
    state.saves.push_back({static_cast<int>(fixed) - 1 + draft, slot});
  }
  return state.saves;
}

void CacheManager::advance(SequenceId id, std::span<const std::int32_t> tokens,
                           std::int64_t computed, int accepted) {
  Sequence& it = impl_->sequence(id);
  CHECK(computed >= it.computed && computed <= std::ssize(tokens), "computed {} after {} of {}",
        computed, it.computed, tokens.size());
  impl_->settle_returns(it, accepted);
  it.computed = computed;
  impl_->publish(it, tokens);
  std::erase_if(it.state.wanted, [&](std::int64_t position) { return position <= computed; });
  impl_->trim(it);
}

void CacheManager::release(SequenceId id, std::span<const std::int32_t> tokens) {
  Sequence& it = impl_->sequence(id);
  CHECK(it.state.pending.empty() && it.state.returns.empty(), "sequence {} ends inside a step", id);
  if (it.write && it.computed > 0) {
    impl_->place_cursor(it);
    impl_->publish_tail(it, tokens);
    if (impl_->recurrent()) {
      impl_->publish_state(it, tokens, it.computed, std::exchange(it.state.working, -1));
    }
  }
  impl_->free_sequence(it);
}

void CacheManager::discard(SequenceId id) {
  Sequence& it = impl_->sequence(id);
  impl_->unpublish(it);
  impl_->free_sequence(it);
}

std::span<const std::span<const std::int32_t>> CacheManager::page_tables(SequenceId id) const {
  Sequence& it = impl_->sequence(id);
  for (std::size_t g = 0; g < it.tables.size(); ++g) it.views[g] = it.tables[g];
  return it.views;
}

std::int32_t CacheManager::state_slot(SequenceId id) const {
  return impl_->sequence(id).state.working;
}

std::int64_t CacheManager::exclusive_pages(SequenceId id) const {
  const Sequence& it = impl_->sequence(id);
  std::int64_t pages = 0;
  for (std::size_t g = 0; g < it.tables.size(); ++g) {
    for (std::size_t i = static_cast<std::size_t>(it.first_held[g]); i < it.tables[g].size(); ++i) {
      pages += impl_->pools[g].references(it.tables[g][i]) == 1 ? 1 : 0;
    }
  }
  return pages;
}

CacheManager::Reset CacheManager::reset() {
  Reset freed;
  for (int g = Impl::kStateGroup; g < impl_->group_count(); ++g) {
    while (impl_->pool(g).oldest_cached() != PagePool::kNone) {
      impl_->detach(g, impl_->pool(g).oldest_cached());
      ++(g == Impl::kStateGroup ? freed.states : freed.pages);
    }
  }
  return freed;
}

CacheStats CacheManager::stats() const {
  CacheStats stats = impl_->counters;
  for (const PagePool& pool : impl_->pools) stats.groups.push_back(pool.stats());
  stats.states = impl_->states.stats();
  return stats;
}

void CacheManager::check_invariants() const { impl_->check_invariants(); }

}  // namespace quire::cache
