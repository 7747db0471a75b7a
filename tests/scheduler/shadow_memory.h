// Memory of a simulated model: what each page slot and state slot really holds after the orders and
// rows of the steps so far.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "cache/cache_manager.h"
#include "scheduler/request.h"

namespace quire::scheduler::sim {

// The state of a simulated recurrent model: a running hash of the tokens.
inline constexpr std::uint64_t kEmptyState = 0;
inline std::uint64_t next_state(std::uint64_t state, std::int32_t token, std::uint64_t salt = 0) {
  return mix64(state * 0x9e3779b97f4a7c15ull + static_cast<std::uint64_t>(token) + 1 +
               (salt << 32));
}

class ShadowMemory {
 public:
  ShadowMemory(const cache::CacheConfig& config);

  // Page copies, state copies and zeros of the plan.
  void carry_out(const StepPlan& plan);
  // What a sequence should see: its tokens [position + token_count], computed under its salt (keys
  // and values of equal tokens differ between adapters).
  struct Truth {
    std::vector<std::int32_t> tokens;
    std::uint64_t salt = 0;
  };
  // All rows of the step write their token; then every row's view must be its own tokens.
  void run(const StepPlan& plan, std::span<const Truth> truths);

  // The sequence's rows of this step turn out as garbage, in its pages and its state.
  void spoil(const ScheduledSequence& sequence);

 private:
  struct Slot {
    std::int32_t token = -1;
    std::uint64_t salt = 0;
    std::int64_t position = -1;
    std::uint64_t written = 0;  // step
  };

  Slot& slot(int group, std::int32_t page, std::int64_t position);
  void write(const ScheduledSequence& sequence, std::uint64_t salt);
  void read(const ScheduledSequence& sequence, const Truth& truth);
  void advance_state(const ScheduledSequence& sequence, const Truth& truth);
  void save_state(std::int32_t slot, std::uint64_t state);

  cache::CacheConfig config_;
  std::vector<std::vector<Slot>> pages_;  // [group][page * G + slot]
  std::vector<std::uint64_t> states_;
  std::vector<std::uint64_t> state_written_;  // step
  std::uint64_t step_ = 0;
};

}  // namespace quire::scheduler::sim
