// The median is known from the numbers that were put in.
#include "engine/typical_step.h"

#include <gtest/gtest.h>

namespace quire::engine {
namespace {

TEST(TypicalStep, AHiccupDoesNotMoveIt) {
  TypicalStep step;
  EXPECT_EQ(step.seconds(), 0);
  step.add(3);
  EXPECT_EQ(step.seconds(), 3);
  for (int i = 0; i < 40; ++i) step.add(i % 10 == 9 ? 100 : 2);
  EXPECT_EQ(step.seconds(), 2);
  for (int i = 0; i < 20; ++i) step.add(5);
  EXPECT_EQ(step.seconds(), 5) << "it follows what lasts";
}

}  // namespace
}  // namespace quire::engine
