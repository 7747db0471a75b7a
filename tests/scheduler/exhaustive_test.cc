// Every small case around page bounds: two prompts that share a beginning, of every pair of sizes,
// at once or one after the other, in every chunk size, in every layout of groups. Oracle: the
// shadow memory sees each row's view, and the outputs must be the fake model's on the bare tokens.
#include <gtest/gtest.h>

#include "tests/scheduler/driver.h"

namespace quire::scheduler::sim {
namespace {

constexpr int kPromptMax = 13;
constexpr int kOutputs = 3;

struct Case {
  int first = 0, second = 0, shared = 0, chunk = 0;
  bool together = false;
};

void run_case(const cache::CacheConfig& cache, const Case& it) {
  SchedulerConfig config;
  config.debug_chunk_tokens = it.chunk;
  Driver driver(config, cache);
  std::vector<std::int32_t> first = Driver::prompt(0, it.first);
  std::vector<std::int32_t> second(first.begin(), first.begin() + it.shared);
  while (std::ssize(second) < it.second) {
    second.push_back(100 + static_cast<std::int32_t>(second.size()));
  }
  driver.submit(Driver::request(1, first, kOutputs));
  if (!it.together) driver.run_all();
  driver.submit(Driver::request(2, second, kOutputs));
  ASSERT_LT(driver.run_all(200), 200);
  const auto tokens = driver.scheduler.tokens(2);
  if (tokens.empty()) return;  // it ended before the other one did
  ASSERT_EQ(std::ssize(tokens), it.second + kOutputs);
  for (int i = 0; i < kOutputs; ++i) {
    const auto known = static_cast<std::size_t>(it.second + i);
    ASSERT_EQ(tokens[known], Driver::model(tokens.first(known)));
  }
  if (!it.together && cache.state_slots == 0) {
    // Outputs of the first may continue the match; pages of a window are all still there.
    ASSERT_GE(driver.scheduler.trace(2)->cached_tokens, std::min(it.shared, it.second - 1));
  }
}

TEST(Exhaustive, TwoPromptsAroundPageBounds) {
  cache::CacheConfig full, window, both, state, mixed;
  full.groups = {{0, 12}};
  window.groups = {{6, 12}};
  both.groups = {{0, 12}, {5, 12}};
  state.state_slots = 6;
  mixed.groups = {{0, 12}};
  mixed.state_slots = 6;
  for (cache::CacheConfig cache : {full, window, both, state, mixed}) {
    cache.page_tokens = 4;
    cache.state_stride_tokens = 5;
    for (int first = 1; first <= kPromptMax; ++first) {
      for (int second = 1; second <= kPromptMax; ++second) {
        for (int shared = 0; shared <= std::min(first, second); ++shared) {
          for (const int chunk : {1, 3, 4, 5, 13}) {
            for (const bool together : {false, true}) {
              SCOPED_TRACE(testing::Message() << first << ' ' << second << ' ' << shared << ' '
                                              << chunk << ' ' << together);
              run_case(cache, {first, second, shared, chunk, together});
              if (HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace quire::scheduler::sim
