// How much memory goes to pages and states, and how long a sequence may then become.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "models/model.h"

namespace quire::engine {

// What this process may use, the smallest of the machine and its control groups.
struct MachineMemory {
  std::int64_t total_bytes = 0;
  std::int64_t available_bytes = 0;  // not in use by anyone; reclaimable file pages count
};
MachineMemory machine_memory();

// "8G", "512M", "64K" (units of 1,024), plain bytes, or a share of the total ("30%"). "auto" is not
// known here.
Result<std::int64_t> parse_memory_size(std::string_view text, std::int64_t total_bytes);

struct MemoryDemand {
  std::vector<models::KvGroup> groups;
  std::int64_t state_bytes = 0;  // of one slot; 0: no recurrent layers
  int page_tokens = 16;
  int sequences_max = 64;
  int step_tokens_max = 512;
  int drafts_max = 0;
  std::int64_t context_wanted = 0;  // 0: the model's own, reduced to what fits
  std::int64_t model_context = 0;   // max_position_embeddings; 0: unlimited
  std::int64_t budget_bytes = 0;
};

struct MemoryPlan {
  std::vector<std::int32_t> page_counts;  // of each group
  std::int32_t state_slots = 0;
  std::int64_t context_max = 0;  // one sequence of that many tokens fits into empty pools
  std::int64_t kv_tokens = 0;    // that the full-retention groups hold together
  std::int64_t bytes = 0;        // of all pages and states
};

// Every full-retention group covers the same number of tokens; a window group covers no more than
// sequences_max sequences need. States take at most a third beside pages. Pages beyond twice
// sequences_max full contexts are not planned. Refuses, with the numbers, when not even one page of
// context fits, or less than context_wanted.
Result<MemoryPlan> plan_memory(const MemoryDemand& demand);

}  // namespace quire::engine
