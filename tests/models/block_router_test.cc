// Expert choice on rows small enough to be worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "models/blocks/router.h"

namespace quire::models {
namespace {

struct Choice {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;
};

Choice choose(const Router& router, std::vector<float> logits, int active,
              const std::vector<float>& bias = {}) {
  Choice choice = {std::vector<std::int32_t>(static_cast<std::size_t>(active)),
                   std::vector<float>(static_cast<std::size_t>(active))};
  std::vector<float> ranks(logits.size());
  choose_experts(router, kernels::kernels(kernels::Isa::kScalar),
                 bias.empty() ? nullptr : bias.data(), {logits, ranks, choice.ids, choice.weights});
  return choice;
}

using Ids = std::vector<std::int32_t>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const Router kSigmoid = {.score = Router::Score::kSigmoid};

TEST(Router, SoftmaxWeightsAreSharesOfAllExperts) {
  const Choice choice = choose({}, {std::log(1.0f), std::log(3.0f), std::log(4.0f)}, 2);
  EXPECT_EQ(choice.ids, (Ids{1, 2}));
  EXPECT_NEAR(choice.weights[0], 0.375, 1e-6);
  EXPECT_NEAR(choice.weights[1], 0.5, 1e-6);
}

TEST(Router, RenormalizedWeightsSumToTheScale) {
  const Choice choice = choose({.renormalize = true, .weight_scale = 2},
                               {std::log(1.0f), std::log(3.0f), std::log(4.0f)}, 2);
  EXPECT_NEAR(choice.weights[0], 2 * 3.0 / 7, 1e-6);
  EXPECT_NEAR(choice.weights[1], 2 * 4.0 / 7, 1e-6);
}

TEST(Router, TiesGoToTheLowerExpert) {
  EXPECT_EQ(choose({}, {1, 1, 1, 1}, 2).ids, (Ids{0, 1}));
  EXPECT_EQ(choose({}, {0, 1, 0, 1, 1}, 2).ids, (Ids{1, 3}));
}

TEST(Router, TheBiasChoosesButDoesNotWeigh) {
  const Choice choice = choose(kSigmoid, {0, 2, -2}, 1, {0, 0, 5});
  EXPECT_EQ(choice.ids, (Ids{2}));
  EXPECT_NEAR(choice.weights[0], 1 / (1 + std::exp(2.0)), 1e-6);
}

TEST(Router, GroupsAreRankedByTheirTwoBest) {
  Router router = kSigmoid;
  router.groups = 2;
  router.groups_kept = 1;
  // The best single expert is in the first group, the best pair in the second.
  EXPECT_EQ(choose(router, {3, -9, -9, 2, 2, -9}, 2).ids, (Ids{3, 4}));
  router.groups_kept = 2;
  EXPECT_EQ(choose(router, {3, -9, -9, 2, 2, -9}, 2).ids, (Ids{0, 3}));
}

// With negative biases a score of 0 for excluded groups would win (trap 27 of DeepSeek's code).
TEST(Router, ExcludedGroupsNeverWin) {
  Router router = kSigmoid;
  router.groups = 2;
  router.groups_kept = 1;
  const std::vector<float> bias(4, -3);
  EXPECT_EQ(choose(router, {1, 1, 0, 0}, 2, bias).ids, (Ids{0, 1}));
}

TEST(Router, NotANumberStillGivesDistinctExperts) {
  EXPECT_EQ(choose(kSigmoid, {kNan, 1, kNan, 0}, 3).ids, (Ids{0, 1, 3}));
  EXPECT_EQ(choose({}, {kNan, kNan, kNan}, 2).ids, (Ids{0, 1}));
  Router router = kSigmoid;
  router.groups = 2;
  router.groups_kept = 1;
  EXPECT_EQ(choose(router, {kNan, kNan, kNan, kNan}, 2).ids.size(), 2u);
}

}  // namespace
}  // namespace quire::models
