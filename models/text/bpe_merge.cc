// Applying merges: a scan for short words, a heap for long ones; both merge the lowest rank first,
// the leftmost of equals.
#include <algorithm>
#include <bit>

#include "models/text/bpe.h"

namespace quire::text {

void MergeTable::reserve(std::size_t count) {
  slots_.assign(std::bit_ceil(std::max<std::size_t>(2, count * 2 + 1)), Slot{});
  mask_ = slots_.size() - 1;
}

void MergeTable::set(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t key = key_of(left, right);
  std::size_t slot = hash(key) & mask_;
  while (slots_[slot].key != kEmpty && slots_[slot].key != key) slot = (slot + 1) & mask_;
  slots_[slot] = {key, merge};
}

// O(n^2) in the number of symbols, which the caller bounds; no allocation.
void Bpe::merge_short(std::vector<std::int32_t>& symbols) const {
  std::array<std::uint32_t, 64> ranks;
  std::array<std::int32_t, 64> merged;
  std::size_t pairs = symbols.empty() ? 0 : symbols.size() - 1;
  const auto look_up = [&](std::size_t i) {
    const MergeTable::Merge merge = merges_.find(symbols[i], symbols[i + 1]);
    ranks[i] = merge.rank;
    merged[i] = merge.id;
  };
  for (std::size_t i = 0; i < pairs; ++i) look_up(i);
  while (pairs > 0) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < pairs; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == MergeTable::kNoRank) break;
    symbols[best] = merged[best];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    for (std::size_t i = best + 1; i < pairs; ++i) {
      ranks[i - 1] = ranks[i];
      merged[i - 1] = merged[i];
    }
    --pairs;
    if (best > 0) look_up(best - 1);
    if (best < pairs) look_up(best);
  }
}

namespace {

struct Candidate {
  std::uint64_t key;  // rank, then position
  std::int32_t id;    // what the pair becomes
  friend bool operator<(const Candidate& a, const Candidate& b) { return a.key > b.key; }
};

struct Link {
  std::uint32_t previous;
  std::uint32_t next;
};

constexpr std::int32_t kDead = -1;

}  // namespace

// O(n log n). A candidate whose symbols changed since it was pushed no longer finds its own id.
void Bpe::merge_long(std::vector<std::int32_t>& symbols) const {
  const auto count = static_cast<std::uint32_t>(symbols.size());
  std::vector<Link> links(count);
  std::vector<Candidate> heap;
  const auto push = [&](std::uint32_t left, std::uint32_t right) {
    const MergeTable::Merge merge = merges_.find(symbols[left], symbols[right]);
    if (merge.rank == MergeTable::kNoRank) return false;
    heap.push_back({(static_cast<std::uint64_t>(merge.rank) << 32) | left, merge.id});
    return true;
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    links[i] = {i - 1, i + 1};
    if (i + 1 < count) push(i, i + 1);
  }
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate top = heap.back();
    heap.pop_back();
    const auto left = static_cast<std::uint32_t>(top.key);
    const std::uint32_t right = links[left].next;
    if (symbols[left] == kDead || right >= count) continue;
    const MergeTable::Merge merge = merges_.find(symbols[left], symbols[right]);
    if (merge.rank == MergeTable::kNoRank || merge.id != top.id) continue;
    symbols[left] = merge.id;
    symbols[right] = kDead;
    links[left].next = links[right].next;
    if (links[left].next < count) links[links[left].next].previous = left;
    if (left > 0 && push(links[left].previous, left)) std::push_heap(heap.begin(), heap.end());
    if (links[left].next < count && push(left, links[left].next)) {
      std::push_heap(heap.begin(), heap.end());
    }
  }
  std::erase(symbols, kDead);
}

}  // namespace quire::text
