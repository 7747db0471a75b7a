// Memory plans against the arithmetic they promise: pools within the budget, a lone sequence of the
// planned context fits, refusals carry numbers.
#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace quire::engine {
namespace {

models::KvGroup group(int kv_heads, std::int64_t window, int layers) {
  models::KvGroup made;
  made.layout.kv_heads = kv_heads;
  made.layout.key_dim = 64;
  made.layout.value_dim = 64;
  made.layout.page_tokens = 16;
  made.window = window;
  for (int i = 0; i < layers; ++i) made.layers.push_back(i);
  return made;
}

TEST(MemoryPlan, SizesAreRead) {
  EXPECT_EQ(*parse_memory_size("8G", 0), std::int64_t{8} << 30);
  EXPECT_EQ(*parse_memory_size("512M", 0), std::int64_t{512} << 20);
  EXPECT_EQ(*parse_memory_size("1.5k", 0), 1536);
  EXPECT_EQ(*parse_memory_size("4096", 0), 4096);
  EXPECT_EQ(*parse_memory_size("30%", 1000), 300);
  for (const char* bad : {"", "G", "8T", "-1", "0", "101%", "8 G", "1e30", "nan", "inf"}) {
    EXPECT_FALSE(parse_memory_size(bad, 1000)) << bad;
  }
}

TEST(MemoryPlan, TheMachineHasMemory) {
  const MachineMemory memory = machine_memory();
  EXPECT_GT(memory.total_bytes, std::int64_t{64} << 20);
  EXPECT_GT(memory.available_bytes, 0);
  EXPECT_LE(memory.available_bytes, memory.total_bytes);
}

TEST(MemoryPlan, FillsTheBudgetAndNoMore) {
  Rng rng(2);
  for (int round = 0; round < 2000; ++round) {
    MemoryDemand demand;
    const auto groups = rng.below(4);
    for (std::uint64_t i = 0; i < groups; ++i) {
      demand.groups.push_back(group(1 + static_cast<int>(rng.below(8)),
                                    rng.below(2) == 0 ? 0 : 64 + static_cast<int>(rng.below(4096)),
                                    1 + static_cast<int>(rng.below(40))));
    }
    if (groups == 0 || rng.below(3) == 0) demand.state_bytes = 64 + 64 * rng.below(100000);
    demand.sequences_max = 1 + static_cast<int>(rng.below(64));
    demand.drafts_max = static_cast<int>(rng.below(5));
    demand.model_context = 16 << rng.below(14);
    demand.budget_bytes = std::int64_t{1} << (20 + rng.below(14));
    const auto plan = plan_memory(demand);
    if (!plan) {
      EXPECT_EQ(plan.error().code, ErrorCode::kInvalid);
      continue;
    }
    EXPECT_LE(plan->bytes, demand.budget_bytes);
    std::int64_t bytes = plan->state_slots * demand.state_bytes;
    for (std::size_t g = 0; g < demand.groups.size(); ++g) {
      const std::int64_t page = demand.groups[g].token_bytes() * 16;
      bytes += page * plan->page_counts[g];
      const std::int64_t needed = demand.groups[g].window > 0
                                      ? std::min(plan->context_max, demand.groups[g].window)
                                      : plan->context_max;
      EXPECT_GE(std::int64_t{plan->page_counts[g]} * 16, needed);
    }
    EXPECT_EQ(bytes, plan->bytes);
    EXPECT_GE(plan->context_max, 1);
    EXPECT_LE(plan->context_max, demand.model_context);
  }
}

TEST(MemoryPlan, WindowGroupsStopAtWhatSequencesCanUse) {
  MemoryDemand demand;
  demand.groups = {group(2, 0, 4), group(2, 128, 20)};
  demand.sequences_max = 4;
  demand.step_tokens_max = 64;
  demand.model_context = 1 << 17;
  demand.budget_bytes = std::int64_t{1} << 30;
  const auto plan = plan_memory(demand);
  ASSERT_TRUE(plan);
  EXPECT_LE(plan->page_counts[1], 4 * ((128 + 64) / 16 + 2));
  EXPECT_GT(plan->page_counts[0], 10 * plan->page_counts[1]);
  EXPECT_EQ(plan->context_max, 1 << 17);
}

TEST(MemoryPlan, RefusesWithNumbers) {
  MemoryDemand demand;
  demand.groups = {group(8, 0, 32)};
  demand.context_wanted = 100000;
  demand.budget_bytes = 64 << 20;
  const auto plan = plan_memory(demand);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("64.0 MiB"), std::string::npos) << plan.error().message;
  EXPECT_NE(plan.error().message.find("100000"), std::string::npos) << plan.error().message;
}

}  // namespace
}  // namespace quire::engine
