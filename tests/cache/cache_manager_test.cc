// The cache manager from outside. Oracle of the random test: with memory for everything, a prompt
// must hit exactly what a plain list of all earlier computed prefixes (and states) says; the small
// cases are worked out by hand.
#include "cache/cache_manager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"

namespace quire::cache {
namespace {

using Tokens = std::vector<std::int32_t>;

// A caller that computes what it is told to and keeps the manager's rules.
class Caller {
 public:
  explicit Caller(const CacheConfig& config) : manager(config) {}

  struct Life {
    SequenceId id = -1;
    Tokens tokens;
    std::int64_t computed = 0, hit = 0;
  };

  std::optional<Life> begin(const Tokens& tokens, std::uint64_t name = 0) {
    std::vector<Hash128> hashes;
    manager.extend_page_hashes({0, name}, tokens, hashes);
    SequenceRequest request{
        tokens, hashes, {0, name}, true, true, std::ssize(tokens), std::ssize(tokens), true};
    const auto admission = manager.acquire(request, orders);
    if (!admission) return std::nullopt;
    return Life{admission->sequence, tokens, admission->computed, admission->computed};
  }

  // Rows up to `end`; returns where snapshots were taken.
  std::vector<std::int64_t> compute(Life& life, std::int64_t end) {
    EXPECT_EQ(manager.grow(life.id, end), end);
    int drafts = 0;
    std::vector<std::int64_t> positions;
    for (const StateSaveOrder& save : manager.plan_saves(life.id, end - life.computed, drafts)) {
      positions.push_back(life.computed + save.row + 1);
    }
    manager.advance(life.id, life.tokens, end, 0);
    life.computed = end;
    manager.check_invariants();
    return positions;
  }

  // A whole life; returns the hit.
  std::int64_t live(const Tokens& tokens, std::uint64_t name = 0) {
    auto life = begin(tokens, name);
    EXPECT_TRUE(life.has_value());
    if (!life) return -1;
    compute(*life, std::ssize(tokens));
    manager.release(life->id, life->tokens);
    manager.check_invariants();
    return life->hit;
  }

  CacheManager manager;
  MemoryOrders orders;
};

Tokens counting(std::int32_t first, int count) {
  Tokens tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(first + i);
  return tokens;
}

struct Layout {
  int page_tokens;
  std::vector<std::int64_t> windows;
  bool states;
  int hash_bits;
};
class ManagerRandom : public testing::TestWithParam<Layout> {};

TEST_P(ManagerRandom, HitsAllThatWasComputed) {
  const Layout layout = GetParam();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed);
    CacheConfig config;
    config.page_tokens = layout.page_tokens;
    for (const std::int64_t window : layout.windows) config.groups.push_back({window, 3000});
    config.state_slots = layout.states ? 3000 : 0;
    config.state_stride_tokens = 16;
    config.debug_hash_bits = layout.hash_bits;
    Caller caller(config);
    std::vector<Tokens> computed;  // prefixes whose pages were published
    std::set<Tokens> with_state;
    for (int round = 0; round < 60; ++round) {
      Tokens tokens;
      if (!computed.empty() && rng.below(3) != 0) {
        const Tokens& earlier = computed[rng.below(computed.size())];
        tokens.assign(earlier.begin(),
                      earlier.begin() + static_cast<std::ptrdiff_t>(rng.below(earlier.size() + 1)));
      }
      const auto more = rng.below(20) + (tokens.empty() ? 1 : 0);
      for (std::uint64_t i = 0; i < more; ++i) {
        tokens.push_back(static_cast<std::int32_t>(rng.below(2)));
      }
      if (tokens.empty()) continue;

      const auto limit = std::ssize(tokens) - 1;
      std::int64_t expected = 0;
      if (layout.states) {
        for (std::int64_t length = 1; length <= limit; ++length) {
          if (with_state.contains(Tokens(tokens.begin(), tokens.begin() + length))) {
            expected = length;
          }
        }
      } else {
        for (const Tokens& earlier : computed) {
          const auto both = std::min(std::ssize(earlier), limit);
          const auto differ =
              std::mismatch(tokens.begin(), tokens.begin() + both, earlier.begin()).first;
          expected = std::max<std::int64_t>(expected, differ - tokens.begin());
        }
      }
      auto life = caller.begin(tokens);
      ASSERT_TRUE(life.has_value());
      ASSERT_EQ(life->hit, expected) << "seed " << seed << " round " << round;
      while (life->computed < std::ssize(tokens)) {
        const auto chunk = 1 + static_cast<std::int64_t>(rng.below(12));
        const auto end = std::min(std::ssize(tokens) + std::int64_t{0}, life->computed + chunk);
        for (const std::int64_t at : caller.compute(*life, end)) {
          with_state.insert(Tokens(tokens.begin(), tokens.begin() + at));
        }
      }
      caller.manager.release(life->id, tokens);
      with_state.insert(tokens);
      computed.push_back(tokens);
      caller.manager.check_invariants();
    }
  }
}

// Windows of 12 and more: pages behind them are published before they are let go.
INSTANTIATE_TEST_SUITE_P(Layouts, ManagerRandom,
                         testing::Values(Layout{4, {0}, false, 128}, Layout{1, {0}, false, 4},
                                         Layout{4, {0, 6}, false, 3}, Layout{3, {2}, false, 128},
                                         Layout{4, {}, true, 128}, Layout{4, {0}, true, 128},
                                         Layout{2, {0, 5}, true, 3}, Layout{4, {0, 0}, true, 128},
                                         Layout{16, {0}, false, 2}));

TEST(CacheManager, TailIsLostFirst) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 8}};
  Caller caller(config);
  caller.live(counting(0, 16));                  // four pages
  EXPECT_EQ(caller.live(counting(100, 20)), 0);  // takes the four others and evicts one
  EXPECT_EQ(caller.live(counting(0, 17)), 12);
  const CacheStats stats = caller.manager.stats();
  EXPECT_EQ(stats.query_tokens, 15u + 19u + 16u);
  EXPECT_EQ(stats.hit_tokens, 12u);
  EXPECT_EQ(stats.miss_evicted, 4u);
  EXPECT_EQ(stats.miss_cold, 15u + 19u);
}

TEST(CacheManager, NamespacesDoNotMeet) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 64}};
  Caller caller(config);
  EXPECT_EQ(caller.live(counting(0, 16), 1), 0);
  EXPECT_EQ(caller.live(counting(0, 16), 2), 0);
  EXPECT_EQ(caller.live(counting(0, 16), 1), 15);
}

TEST(CacheManager, SequenceInsideASharedPageCopiesIt) {
  CacheConfig config;
  config.page_tokens = 8;
  config.groups = {{0, 16}};
  Caller caller(config);
  caller.live(counting(0, 13));
  caller.orders.clear();
  auto first = caller.begin(counting(0, 20));
  auto second = caller.begin(counting(0, 20));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->hit, 13);
  ASSERT_EQ(caller.orders.page_copies.size(), 2u);
  const auto [a, b] = std::pair(caller.orders.page_copies[0], caller.orders.page_copies[1]);
  EXPECT_EQ(a.token_count, 5);
  EXPECT_EQ(a.from, b.from);
  EXPECT_NE(a.to, b.to);
  const auto table_of = [&](SequenceId id) { return caller.manager.page_tables(id)[0]; };
  EXPECT_EQ(table_of(first->id)[0], table_of(second->id)[0]);
  EXPECT_EQ(table_of(first->id)[1], a.to);
  EXPECT_EQ(table_of(second->id)[1], b.to);
  caller.compute(*first, 20);
  caller.compute(*second, 20);
  // Both computed the same second page: the index keeps one, and both hold it.
  EXPECT_EQ(table_of(first->id)[1], table_of(second->id)[1]);
  EXPECT_EQ(caller.manager.stats().groups[0].referenced, 2 + 2);
}

TEST(CacheManager, WindowKeepsWhatTheNextTokenSees) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{6, 16}};
  config.prefix_cache = false;
  Caller caller(config);
  auto life = caller.begin(counting(0, 40));
  for (std::int64_t end = 1; end <= 40; ++end) {
    caller.compute(*life, end);
    const auto table = caller.manager.page_tables(life->id)[0];
    // The next token, at `end`, sees positions end - 5 and later.
    for (std::int64_t page = 0; page < std::ssize(table); ++page) {
      EXPECT_EQ(table[static_cast<std::size_t>(page)] >= 0,
                page >= std::max<std::int64_t>(0, end - 5) / 4)
          << end;
    }
  }
  EXPECT_TRUE(caller.manager.fits_empty(1'000'000));
}

TEST(CacheManager, FitsEmptyCountsWindowsByTheirWidth) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 10}, {9, 3}};
  CacheManager manager(config);
  EXPECT_TRUE(manager.fits_empty(40));  // nine tokens lie in at most three pages of four
  EXPECT_FALSE(manager.fits_empty(41));
  config.groups[1].page_count = 2;
  CacheManager less(config);
  EXPECT_TRUE(less.fits_empty(8));
  EXPECT_FALSE(less.fits_empty(9));
}

TEST(CacheManager, DraftsReturnToTheLastAcceptedState) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 16}};
  config.state_slots = 8;
  config.prefix_cache = false;
  for (int accepted = 0; accepted <= 3; ++accepted) {
    Caller caller(config);
    auto life = caller.begin(counting(0, 5));
    caller.compute(*life, 5);
    life->tokens = counting(0, 6 + accepted + 1);
    EXPECT_EQ(caller.manager.grow(life->id, 9), 9);
    int drafts = 3;
    const auto saves = caller.manager.plan_saves(life->id, 4, drafts);
    ASSERT_EQ(drafts, 3);
    ASSERT_EQ(saves.size(), 3u);  // after rows 0, 1 and 2; the working slot holds the last
    std::vector<std::int32_t> slots;
    for (int row = 0; row < 3; ++row) {
      EXPECT_EQ(saves[static_cast<std::size_t>(row)].row, row);
      slots.push_back(saves[static_cast<std::size_t>(row)].slot);
    }
    slots.push_back(caller.manager.state_slot(life->id));
    caller.manager.advance(life->id, life->tokens, 6 + accepted, accepted);
    EXPECT_EQ(caller.manager.state_slot(life->id), slots[static_cast<std::size_t>(accepted)]);
    EXPECT_EQ(caller.manager.stats().states.referenced, 1);
    caller.manager.check_invariants();
  }
}

TEST(CacheManager, DiscardLeavesNothingToFind) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 32}};
  config.state_slots = 8;
  Caller caller(config);
  caller.live(counting(0, 9));
  auto life = caller.begin(counting(0, 30));
  EXPECT_EQ(life->hit, 9);
  caller.compute(*life, 30);
  caller.manager.discard(life->id);
  caller.manager.check_invariants();
  // What it had shared stays, what it computed is gone.
  auto again = caller.begin(counting(0, 30));
  EXPECT_LE(again->hit, 9);
  caller.manager.release(again->id, again->tokens);
  caller.manager.reset();
  EXPECT_EQ(caller.manager.stats().groups[0].free, 32);
  EXPECT_EQ(caller.manager.stats().states.free, 8);
}

TEST(CacheManager, SecondSightOfAPrefixLeavesASnapshotWhereItEnds) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 256}};
  config.state_slots = 64;
  config.state_stride_tokens = 1000;
  Caller caller(config);
  const auto prompt = [](std::int32_t last) {
    Tokens tokens = counting(0, 22);
    for (int i = 0; i < 10; ++i) tokens.push_back(last + i);
    return tokens;
  };
  EXPECT_EQ(caller.live(prompt(100)), 0);
  // The pages cover 22 tokens, no state does: all is computed, and the junction remembered.
  auto second = caller.begin(prompt(200));
  EXPECT_EQ(second->hit, 0);
  const auto positions = caller.compute(*second, 32);
  EXPECT_EQ(positions, (std::vector<std::int64_t>{22, 31}));
  caller.manager.release(second->id, second->tokens);
  EXPECT_EQ(caller.manager.stats().miss_state, 22u);
  EXPECT_EQ(caller.live(prompt(300)), 22);
  EXPECT_EQ(caller.live(prompt(300)), 31);
}

TEST(CacheManager, ResetKeepsWhatIsReferenced) {
  CacheConfig config;
  config.page_tokens = 4;
  config.groups = {{0, 32}};
  Caller caller(config);
  caller.live(counting(100, 16));
  auto life = caller.begin(counting(0, 10));
  caller.compute(*life, 10);
  EXPECT_EQ(caller.manager.reset().pages, 4);
  caller.manager.check_invariants();
  EXPECT_EQ(caller.manager.stats().groups[0].referenced, 3);
  caller.manager.release(life->id, life->tokens);
  EXPECT_EQ(caller.live(counting(0, 10)), 9);
}

}  // namespace
}  // namespace quire::cache
