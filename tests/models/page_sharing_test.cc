// How a step's rows are cut into units over shared pages, checked on random page tables: every row
// is in exactly one unit, its pieces cover what it sees, and the rows of a piece do hold its pages.
#include "models/blocks/page_sharing.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/models/crowd.h"

namespace quire::models {
namespace {

using kernels::SharedAttention;

// Row of the step -> where it stands.
struct Seen {
  std::map<std::int64_t, int> units;
  int shared_units = 0;
};

void check_pieces(const PageSharing::Unit& unit) {
  std::vector<std::int64_t> covered(unit.rows.size(), 0);
  for (const SharedAttention::Piece& piece : unit.pieces) {
    ASSERT_GT(piece.rows, 0);
    ASSERT_LE(static_cast<std::size_t>(piece.row + piece.rows), unit.rows.size());
    const auto& first = unit.rows[static_cast<std::size_t>(piece.row)];
    for (int r = piece.row; r < piece.row + piece.rows; ++r) {
      const auto& row = unit.rows[static_cast<std::size_t>(r)];
      EXPECT_EQ(covered[static_cast<std::size_t>(r)], piece.begin);
      covered[static_cast<std::size_t>(r)] = piece.end;
      if (piece.rows > 1) {
        EXPECT_LE(piece.end, row.position);
        EXPECT_EQ(piece.end % 16, 0);
      }
      for (std::int64_t t = piece.begin; t < piece.end; ++t)
        ASSERT_EQ(row.table[t / kPageTokens], first.table[t / kPageTokens]);
    }
  }
  for (std::size_t r = 0; r < unit.rows.size(); ++r)
    EXPECT_EQ(covered[r], unit.rows[r].position + 1);
}

Seen check_units(const PageSharing& sharing, const Crowd& crowd, int rows_max) {
  Seen seen;
  for (const PageSharing::Unit& unit : sharing.units()) {
    if (unit.block >= 0) {
      const RowBlock& block = crowd.blocks[static_cast<std::size_t>(unit.block)];
      for (int r = 0; r < block.rows; ++r) ++seen.units[block.row + r];
      continue;
    }
    ++seen.shared_units;
    EXPECT_LE(std::ssize(unit.rows), rows_max);
    for (const auto& row : unit.rows) ++seen.units[row.index];
    check_pieces(unit);
  }
  EXPECT_EQ(std::ssize(seen.units), crowd.rows);
  for (const auto& [row, count] : seen.units) EXPECT_EQ(count, 1) << "row " << row;
  return seen;
}

TEST(PageSharing, UnitsCoverEveryRowOnceAndPiecesAreTrue) {
  Rng rng(1);
  int shared = 0;
  for (int round = 0; round < 400; ++round) {
    Crowd crowd = random_crowd(rng);
    const int heads = 1 + static_cast<int>(rng.below(16));
    PageSharing sharing(group_of(1 + static_cast<int>(rng.below(8))), heads, crowd.rows);
    for (int step = 0; step < 2; ++step) {  // a second one leaves nothing of the first
      sharing.find(crowd.input(), crowd.blocks, 0, 1 + static_cast<int>(rng.below(8)));
      shared += check_units(sharing, crowd, SharedAttention::kQueriesMax / heads).shared_units;
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(shared, 400);
}

TEST(PageSharing, EqualPrefixesStandInOneUnit) {
  Crowd crowd;
  for (std::int32_t i = 0; i < 6; ++i) crowd.add({7, 8, 9, 10, 100 + i}, 130 + i, 1);
  PageSharing sharing(group_of(8), 2, 6);
  sharing.find(crowd.input(), crowd.blocks, 0, 2);
  ASSERT_EQ(sharing.units().size(), 1U);
  const PageSharing::Unit& unit = sharing.units()[0];
  ASSERT_EQ(unit.rows.size(), 6U);
  ASSERT_EQ(unit.pieces.size(), 7U);
  EXPECT_EQ(unit.pieces[0].rows, 6);
  EXPECT_EQ(unit.pieces[0].end, 128);
}

TEST(PageSharing, ManyThreadsGetUnitsEnough) {
  Crowd crowd;
  for (std::int32_t i = 0; i < 16; ++i) crowd.add({7, 8, 9, 10, 100 + i}, 130, 1);
  PageSharing sharing(group_of(1), 4, 16);
  sharing.find(crowd.input(), crowd.blocks, 0, 4);
  EXPECT_GE(sharing.units().size(), 8U);
}

TEST(PageSharing, WindowsAndWideGroupsAndShortPrefixesDoNotShare) {
  Crowd crowd;
  for (std::int32_t i = 0; i < 4; ++i) crowd.add({7, 8, 9, 10, 100 + i}, 130, 1);
  Crowd brief;
  for (std::int32_t i = 0; i < 4; ++i) brief.add({7, 100 + i, 200 + i}, 90, 1);
  const auto shares = [](const KvGroup& group, int heads, Crowd& of) {
    PageSharing sharing(group, heads, 4);
    sharing.find(of.input(), of.blocks, 0, 1);
    return sharing.units().size() < 4;
  };
  EXPECT_TRUE(shares(group_of(8), 2, crowd));
  EXPECT_FALSE(shares(group_of(8, 4096), 2, crowd));
  EXPECT_FALSE(shares(group_of(8), 48, crowd));
  EXPECT_FALSE(shares(group_of(8), 2, brief));
}

}  // namespace
}  // namespace quire::models
