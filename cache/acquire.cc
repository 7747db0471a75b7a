// How a sequence starts: match, room, the pages it shares and the copies it needs.
#include <algorithm>

#include "base/check.h"
#include "cache/manager_impl.h"

namespace quire::cache {

PrefixMatch CacheManager::Impl::match(const SequenceRequest& request) const {
  if (!request.read || !config.prefix_cache) return {};
  return match_prefix(index, rules, {request.tokens, request.page_hashes, request.cache_namespace});
}

bool CacheManager::Impl::has_room(const SequenceRequest& request, const PrefixMatch& match) const {
  const std::int64_t page_tokens = config.page_tokens;
  const std::int64_t level = match.tokens / page_tokens;
  for (int g = 0; g < group_count(); ++g) {
    const auto at = static_cast<std::size_t>(g);
    const std::int64_t window = config.groups[at].window;
    const std::int64_t first =
        window == 0 ? 0 : std::max<std::int64_t>(0, match.tokens - window + 1) / page_tokens;
    std::int64_t revived = 0;  // cached pages that would become referenced
    NodeId node = match.node;
    for (std::int64_t i = level; i > first; --i, node = index.parent(node)) {
      revived += pools[at].references(index.page(node, g)) == 0 ? 1 : 0;
    }
    const std::int64_t kept = std::max<std::int64_t>(0, level - first);
    const std::int64_t least = match.tails.empty() ? 0 : 1;
    const std::int64_t wanted = std::max(pages_max(g, request.reserve_tokens) - kept, least);
    if (wanted > pools[at].available() - revived - promised(g)) return false;
  }
  return !recurrent() || states.available() > 0;
}

Admission CacheManager::Impl::start(const SequenceRequest& request, const PrefixMatch& match,
                                    MemoryOrders& orders) {
  if (unused.empty()) {
    unused.push_back(static_cast<SequenceId>(sequences.size()));
    sequences.emplace_back();
  }
  const SequenceId id = unused.back();
  unused.pop_back();
  Sequence& it = sequences[static_cast<std::size_t>(id)];
  it = {};
  it.live = true;
  it.write = request.write && config.prefix_cache;
  it.cache_namespace = request.cache_namespace;
  it.prompt_tokens = request.prompt_tokens;
  it.reserve_tokens = request.reserve_tokens;
  it.computed = it.hit_tokens = match.tokens;
  it.tables.resize(static_cast<std::size_t>(group_count()));
  it.first_held.resize(static_cast<std::size_t>(group_count()));
  it.views.resize(static_cast<std::size_t>(group_count()));
  attach_pages(it, match);
  start_tail(it, match, orders);
  // A known prefix that goes on for at least a page beyond the usable state is a junction.
  const bool junction = match.known >= match.tokens + config.page_tokens;
  if (recurrent() && it.write) {
    it.state.wanted =
        snapshot_positions({match.tokens, request.prompt_tokens, junction ? match.known : 0,
                            config.state_stride_tokens, config.state_slots, config.page_tokens});
  }
  return {id, match.tokens, {}};
}

// Holds every shared page before anything is taken, so that no taking evicts one of them.
void CacheManager::Impl::attach_pages(Sequence& it, const PrefixMatch& match) {
  if (match.node != kNoNode && it.write) {
    it.cursor = match.node;
    index.pin(it.cursor);
  }
  const std::int64_t level = match.tokens / config.page_tokens;
  for (int g = 0; g < group_count(); ++g) {
    const auto at = static_cast<std::size_t>(g);
    const std::int64_t window = config.groups[at].window;
    it.first_held[at] = window == 0
                            ? 0
                            : std::min(level, std::max<std::int64_t>(0, match.tokens - window + 1) /
                                                  config.page_tokens);
    it.tables[at].assign(static_cast<std::size_t>(level), -1);
    NodeId node = match.node;
    for (std::int64_t i = level - 1; i >= it.first_held[at]; --i, node = index.parent(node)) {
      const std::int32_t page = index.page(node, g);
      pools[at].retain(page);
      it.tables[at][static_cast<std::size_t>(i)] = page;
    }
  }
}

// Copy-on-write of the partly filled page, and the working state. A source is not held: what is
// taken next may be the source itself, which then is where it should be, and what is taken later
// is written by later orders and rows only.
void CacheManager::Impl::start_tail(Sequence& it, const PrefixMatch& match, MemoryOrders& orders) {
  std::vector<std::int32_t> sources;
  for (int g = 0; g < group_count() && !match.tails.empty(); ++g) {
    sources.push_back(index.page(match.tails[static_cast<std::size_t>(g)], g));
  }
  const std::int32_t snapshot = match.state == kNoNode ? -1 : index.state(match.state);
  for (std::size_t g = 0; g < sources.size(); ++g) {
    const std::int32_t page = take(static_cast<int>(g));
    CHECK(page != PagePool::kNone, "no page for the tail in group {}", g);
    it.tables[g].push_back(page);
    const auto count = static_cast<int>(match.tokens % config.page_tokens);
    if (page != sources[g]) {
      orders.page_copies.push_back({static_cast<int>(g), sources[g], page, count});
    }
  }
  if (!recurrent()) return;
  it.state.working = take(kStateGroup);
  CHECK(it.state.working != PagePool::kNone, "no state slot for a new sequence");
  if (snapshot < 0) {
    orders.state_zeros.push_back(it.state.working);
  } else if (snapshot != it.state.working) {
    orders.state_copies.push_back({snapshot, it.state.working});
  }
}

MissedTokens CacheManager::Impl::count_query(const SequenceRequest& request,
                                             const PrefixMatch& match) {
  if (!request.counts || !request.read || !config.prefix_cache) return {};
  const std::int64_t tokens = std::ssize(request.tokens) - 1;
  std::int64_t seen = match.known;
  for (std::size_t i = static_cast<std::size_t>(match.page_path);
       i < request.page_hashes.size() && evicted.has(request.page_hashes[i]); ++i) {
    seen = std::min<std::int64_t>(tokens, static_cast<std::int64_t>(i + 1) * config.page_tokens);
  }
  seen = std::max(seen, match.known);
  counters.query_tokens += static_cast<std::uint64_t>(tokens);
  counters.hit_tokens += static_cast<std::uint64_t>(match.tokens);
  const MissedTokens missed{.cold = tokens - seen,
                            .evicted = seen - match.retained,
                            .state = match.covered - match.tokens,
                            .window = match.retained - match.covered};
  counters.miss_state += static_cast<std::uint64_t>(missed.state);
  counters.miss_window += static_cast<std::uint64_t>(missed.window);
  counters.miss_evicted += static_cast<std::uint64_t>(missed.evicted);
  counters.miss_cold += static_cast<std::uint64_t>(missed.cold);
  return missed;
}

std::int32_t CacheManager::Impl::take(int group) {
  PagePool& from = pool(group);
  const std::int32_t page = from.next();
  if (page == PagePool::kNone) return PagePool::kNone;
  if (from.entry(page) != PagePool::kNone) {
    if (group != kStateGroup && !index.is_tail(from.entry(page))) {
      evicted.add(index.hash(from.entry(page)));
    }
    detach(group, page);
  }
  return from.acquire();
}

std::optional<Admission> CacheManager::acquire(const SequenceRequest& request,
                                               MemoryOrders& orders) {
  CHECK(!request.tokens.empty(), "a sequence without tokens");
  const PrefixMatch match = impl_->match(request);
  if (!impl_->has_room(request, match)) return std::nullopt;
  const MissedTokens missed = impl_->count_query(request, match);
  Admission admission = impl_->start(request, match, orders);
  admission.missed = missed;
  return admission;
}

}  // namespace quire::cache
