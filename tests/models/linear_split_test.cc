// How products are cut for the team: every output is in exactly one part and no part is empty.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "models/blocks/linear.h"

namespace quire::models {
namespace {

TEST(Split, PartsCoverEveryOutputOnceAndNoneIsEmpty) {
  for (const std::int64_t rows : {1, 7, 256, 257, 1000}) {
    for (const std::int64_t panels : {1, 2, 3, 4, 5, 8, 9, 31, 64, 100, 191, 192, 257, 9496}) {
      for (const int threads : {1, 2, 3, 4, 8, 31, 64}) {
        const Split split(rows, panels, threads);
        std::set<std::tuple<std::int64_t, std::int64_t>> begins;
        std::int64_t covered = 0;
        for (int chunk = 0; chunk < split.chunks(); ++chunk) {
          const Part part = split.part(chunk);
          ASSERT_GT(part.rows, 0);
          ASSERT_LT(part.panel_begin, part.panel_end) << panels << " panels, " << threads;
          ASSERT_LE(part.panel_end, panels);
          ASSERT_LE(part.row + part.rows, rows);
          begins.insert({part.row, part.panel_begin});
          covered += part.rows * (part.panel_end - part.panel_begin);
        }
        EXPECT_EQ(covered, rows * panels);
        EXPECT_EQ(std::ssize(begins), split.chunks());
      }
    }
  }
}

// A thread that comes late finds small parts at the end.
TEST(Split, OfFewRowsTheLastPartsAreSmall) {
  const Split split(1, 256, 2);
  const Part first = split.part(0), last = split.part(split.chunks() - 1);
  EXPECT_EQ(first.panel_end - first.panel_begin, 64);
  EXPECT_EQ(last.panel_end - last.panel_begin, 4);
  EXPECT_LE(split.chunks(), 12);
}

}  // namespace
}  // namespace quire::models
