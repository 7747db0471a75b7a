// Where snapshots are wanted: small cases by hand, and the properties that hold for all.
#include "cache/state_pool.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace quire::cache {
namespace {

using Positions = std::vector<std::int64_t>;

TEST(SnapshotPositions, PromptEndJunctionAndStride) {
  EXPECT_EQ(snapshot_positions({0, 10, 0, 512, 64, 16}), (Positions{9}));
  EXPECT_EQ(snapshot_positions({0, 10, 6, 512, 64, 16}), (Positions{6, 9}));
  EXPECT_EQ(snapshot_positions({0, 1100, 0, 512, 64, 16}), (Positions{512, 1024, 1099}));
  EXPECT_EQ(snapshot_positions({600, 1100, 0, 512, 64, 16}), (Positions{1024, 1099}));
  EXPECT_EQ(snapshot_positions({0, 1, 0, 512, 64, 16}), Positions{});
  // A resumed request has left its prompt behind.
  EXPECT_EQ(snapshot_positions({20, 10, 0, 512, 64, 16}), Positions{});
}

TEST(SnapshotPositions, OnePromptNeverFloodsThePool) {
  Rng rng(3);
  for (int i = 0; i < 20000; ++i) {
    const auto below = [&](std::uint64_t limit) {
      return static_cast<std::int64_t>(rng.below(limit));
    };
    const SnapshotWish wish{below(3000),
                            1 + below(3000),
                            below(3000),
                            1 + below(600),
                            static_cast<std::int32_t>(1 + below(100)),
                            static_cast<int>(1 + below(64))};
    const Positions positions = snapshot_positions(wish);
    EXPECT_TRUE(std::ranges::is_sorted(positions));
    EXPECT_EQ(std::ranges::adjacent_find(positions), positions.end());
    EXPECT_LE(std::ssize(positions), std::max(1, wish.slots / 8) + 2);
    for (const std::int64_t at : positions) EXPECT_GT(at, wish.computed);
  }
}

}  // namespace
}  // namespace quire::cache
