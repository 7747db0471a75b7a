// Pieces of memory to call for: each goes to one thread, in order, and an empty list ends it.
#include "kernels/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace quire::kernels {
namespace {

TEST(ReadAhead, EachPieceIsTakenOnceByAnyThread) {
  const std::vector<std::byte> memory(1024);
  std::vector<const std::byte*> starts;
  for (std::size_t i = 0; i < memory.size(); ++i) starts.push_back(memory.data() + i);
  ReadAhead ahead;
  EXPECT_TRUE(ahead.take().empty());
  for (int round = 0; round < 20; ++round) {
    ahead.aim(starts, 4096, 64);
    std::vector<std::vector<const std::byte*>> taken(3);
    std::vector<std::thread> threads;
    for (auto& own : taken) {
      threads.emplace_back([&ahead, &own] {
        for (auto piece = ahead.take(); !piece.empty(); piece = ahead.take())
          own.push_back(piece.data());
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::vector<const std::byte*> all;
    for (const auto& own : taken) {
      EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
      all.insert(all.end(), own.begin(), own.end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), starts.size());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], starts[i] + 4096);
  }
}

TEST(ReadAhead, ACursorTakesPieceAfterPiece) {
  const std::vector<std::byte> memory(1024);
  const std::vector<const std::byte*> starts = {memory.data(), memory.data() + 512};
  ReadAhead ahead;
  ahead.aim(starts, 0, 256);
  ReadCursor cursor(&ahead);
  cursor.call(3);
  cursor.call(1);  // the first piece is over
  EXPECT_EQ(ahead.take().data(), memory.data() + 512);
  cursor.call(1);  // nothing is left, now and later
  ahead.aim(starts, 0, 256);
  cursor.call(1);
  EXPECT_EQ(ahead.take().data(), memory.data());
  ReadCursor none(nullptr);
  none.call(8);
}

}  // namespace
}  // namespace quire::kernels
