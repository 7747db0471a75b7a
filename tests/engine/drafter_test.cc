// Drafters against what a reader finds by eye in short texts; that drafts never change an answer is
// tested in tests/sim and tests/golden.
#include "engine/drafter.h"

#include <gtest/gtest.h>

namespace quire::engine {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST(PromptLookup, ContinuesTheLatestOccurrenceOfTheLongestSuffix) {
  const auto drafter = make_prompt_lookup_drafter(3);
  //             0  1  2  3  4  5  6  7  8  9
  const Tokens a{1, 2, 3, 9, 2, 3, 8, 1, 2, 3};
  EXPECT_EQ(drafter->propose(1, a, 2), (Tokens{9, 2}));  // 1 2 3 beats the later 2 3
  const Tokens b{5, 2, 3, 9, 2, 3, 8, 7, 2, 3};
  EXPECT_EQ(drafter->propose(1, b, 4), (Tokens{8, 7, 2, 3}));  // the later of two 2 3
}

TEST(PromptLookup, ProposesNothingWithoutTwoMatchingTokens) {
  const auto drafter = make_prompt_lookup_drafter(3);
  EXPECT_TRUE(drafter->propose(1, Tokens{1, 2, 3, 4}, 4).empty());
  EXPECT_TRUE(drafter->propose(1, Tokens{4, 1, 2, 4}, 4).empty());
  EXPECT_TRUE(drafter->propose(1, Tokens{4}, 4).empty());
  EXPECT_TRUE(drafter->propose(1, Tokens{}, 4).empty());
  EXPECT_TRUE(drafter->propose(1, Tokens{1, 2, 1, 2}, 0).empty());
}

TEST(PromptLookup, RunsOnThroughARepetition) {
  const auto drafter = make_prompt_lookup_drafter(3);
  EXPECT_EQ(drafter->propose(1, Tokens{7, 7, 7, 7}, 3), (Tokens{7}));  // what the text has
}

TEST(PromptLookup, PausesForARequestWhoseGuessesFail) {
  const auto drafter = make_prompt_lookup_drafter(3);
  const Tokens tokens{1, 2, 3, 1, 2};
  const auto silent_steps = [&](scheduler::RequestId id) {
    int steps = 0;
    while (steps < 1000 && drafter->propose(id, tokens, 1).empty()) ++steps;
    return steps;
  };
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(silent_steps(1), 0);
    drafter->observe(1, 1, 0);
  }
  const int first = silent_steps(1);
  EXPECT_GT(first, 0);
  drafter->observe(1, 1, 0);
  EXPECT_GT(silent_steps(1), first);  // pauses grow
  EXPECT_EQ(silent_steps(2), 0);      // other requests go on
  drafter->observe(1, 1, 1);          // a hit ends it
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(silent_steps(1), 0);
    drafter->observe(1, 1, 0);
  }
  drafter->release(1);
  EXPECT_EQ(silent_steps(1), 0);
}

TEST(Predicted, FollowsTheTextAndFindsItsWayBack) {
  const auto drafter = make_predicted_drafter(3);
  drafter->begin(1, Tokens{10, 11, 12, 13, 14, 15, 16});
  Tokens tokens{1, 2, 10};
  EXPECT_EQ(drafter->propose(1, tokens, 3), (Tokens{11, 12, 13}));
  tokens.push_back(11);
  EXPECT_EQ(drafter->propose(1, tokens, 2), (Tokens{12, 13}));
  tokens.push_back(99);  // the model goes another way
  EXPECT_TRUE(drafter->propose(1, tokens, 2).empty());
  tokens.push_back(14);  // and comes back
  EXPECT_EQ(drafter->propose(1, tokens, 5), (Tokens{15, 16}));
  EXPECT_TRUE(drafter->propose(2, tokens, 5).empty());
  drafter->release(1);
  EXPECT_TRUE(drafter->propose(1, tokens, 5).empty());
}

}  // namespace
}  // namespace quire::engine
