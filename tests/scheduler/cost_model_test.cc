// The cost model against steps whose true cost is known.
#include "scheduler/cost_model.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace quire::scheduler {
namespace {

struct Truth {
  double a, b, c, d;  // seconds per step, decode row, prefill token, context token
  double seconds(const StepLoad& load) const {
    return a + b * static_cast<double>(load.decode_rows) +
           c * static_cast<double>(load.prefill_tokens) + d * load.context_tokens;
  }
};

StepLoad random_load(Rng& rng) {
  StepLoad load;
  const auto below = [&](std::uint64_t limit) {
    return static_cast<std::int64_t>(rng.below(limit));
  };
  for (std::int64_t i = below(20); i > 0; --i) load.add_decode(below(4000), 1 + below(3));
  if (rng.below(2) == 0 || load.decode_rows == 0) load.add_prefill(below(4000), 1 + below(300));
  return load;
}

TEST(CostModel, IsSaneBeforeTheFirstStep) {
  const CostModel model;
  StepLoad load;
  load.add_prefill(0, 100);
  EXPECT_GT(model.predict_seconds(load), 0.01);
  EXPECT_LT(model.predict_seconds(load), 1);
  const std::int64_t tokens = model.tokens_within(0.1, 0, 512);
  EXPECT_GT(tokens, 10);
  EXPECT_LT(tokens, 512);
  EXPECT_EQ(model.tokens_within(-1, 0, 512), 0);
}

// Oracle: the formula that made the data. Noise of 10 % and rare steps of ten times the time.
TEST(CostModel, LearnsWhatStepsCost) {
  const Truth truths[] = {
      {2e-3, 3e-4, 2e-4, 2e-7}, {5e-2, 1e-2, 1e-2, 1e-6}, {1e-4, 1e-5, 3e-5, 0}};
  for (const Truth& truth : truths) {
    Rng rng(5);
    CostModel model;
    double worst = 0;
    for (int step = 0; step < 600; ++step) {
      const StepLoad load = random_load(rng);
      const double seconds = truth.seconds(load);
      if (step >= 200) {
        worst = std::max(worst, std::abs(model.predict_seconds(load) / seconds - 1));
      }
      const double noise = step % 50 == 49 ? 10 : 0.95 + 0.1 * rng.uniform();
      model.observe(load, from_seconds(seconds * noise));
    }
    EXPECT_LT(worst, 0.5) << truth.a;
  }
}

TEST(CostModel, FollowsALastingChange) {
  Rng rng(9);
  CostModel model;
  const Truth fast{1e-3, 1e-4, 1e-4, 0}, slow{1e-2, 1e-3, 1e-3, 0};
  for (int step = 0; step < 300; ++step) {
    const StepLoad load = random_load(rng);
    model.observe(load, from_seconds((step < 150 ? fast : slow).seconds(load)));
  }
  StepLoad load;
  load.add_prefill(0, 200);
  EXPECT_NEAR(model.predict_seconds(load), slow.seconds(load), 0.2 * slow.seconds(load));
}

TEST(CostModel, OneKindOfStepDoesNotSpoilTheOther) {
  CostModel model;
  StepLoad decode, prefill;
  decode.add_decode(100, 1);
  prefill.add_prefill(0, 256);
  for (int step = 0; step < 1000; ++step) model.observe(decode, std::chrono::milliseconds(5));
  EXPECT_NEAR(model.predict_seconds(decode), 5e-3, 5e-4);
  for (int step = 0; step < 3; ++step) model.observe(prefill, std::chrono::milliseconds(512));
  EXPECT_NEAR(model.predict_seconds(prefill), 0.512, 0.1);
  EXPECT_NEAR(model.predict_seconds(decode), 5e-3, 1e-3);
}

TEST(CostModel, TokensWithinIsTheLargestThatFits) {
  Rng rng(2);
  CostModel model;
  for (int step = 0; step < 100; ++step) {
    const StepLoad load = random_load(rng);
    model.observe(load, from_seconds(Truth{1e-3, 1e-4, 1e-4, 1e-7}.seconds(load)));
  }
  for (int i = 0; i < 1000; ++i) {
    const auto position = static_cast<std::int64_t>(rng.below(10000));
    const double seconds = rng.uniform() * 0.1;
    const std::int64_t tokens = model.tokens_within(seconds, position, 400);
    const auto more = [&](std::int64_t count) {
      StepLoad load;
      load.add_prefill(position, count);
      return model.predict_seconds(load) - model.predict_seconds({});
    };
    EXPECT_LE(more(tokens), seconds + 1e-12);
    EXPECT_TRUE(tokens == 400 || more(tokens + 1) > seconds - 1e-12);
  }
}

}  // namespace
}  // namespace quire::scheduler
