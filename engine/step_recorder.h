// Rings of the last steps and the last finished requests, for observers.
#pragma once

#include <span>
#include <vector>

#include "engine/choice.h"
#include "engine/live_view.h"
#include "scheduler/request.h"

namespace quire::engine {

// When the phases of a step began, and when the last one ended.
struct StepStamps {
  Time begin, planned, computed, sampled, committed, ended;
};

// Allocates nothing once every slot has seen its largest step.
class StepRecorder {
 public:
  static constexpr std::size_t kSteps = 256;
  static constexpr std::size_t kFinished = 64;

  StepRecorder() : steps_(kSteps), finished_(kFinished) {}

  // Steps without rows are not recorded. results: in the plan's order.
  void step(std::uint64_t number, const scheduler::StepPlan& plan,
            std::span<const scheduler::SequenceResult> results, const StepStamps& stamps);
  // output: the finishing one of the choice, with usage and times.
  void finish(const Choice& choice, const Output& output);

  // Adds the steps and finished requests that the wish asks for.
  void copy(const LiveViewWish& wish, LiveView& view) const;

 private:
  std::vector<StepRecord> steps_;
  std::vector<FinishedView> finished_;
  std::uint64_t step_count_ = 0, finished_count_ = 0;
};

}  // namespace quire::engine
