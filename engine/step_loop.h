// One step after another: plan, memory orders, forward, draw and verify, commit, emit, propose.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/arena.h"
#include "base/clock.h"
#include "cache/cache_manager.h"
#include "cache/kv_store.h"
#include "engine/choice.h"
#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/model_runner.h"
#include "engine/step_batch.h"
#include "engine/step_recorder.h"
#include "engine/typical_step.h"
#include "scheduler/scheduler.h"

namespace quire::engine {

struct StepLoopConfig {
  int draft_tokens_max = 0;  // of one sequence in a step; 0: no speculation
  // Draft rows of a whole step: with many sequences the rows cost more than they bring.
  int draft_rows_max = 32;
  int invariant_check_every = 0;  // steps; 0: never
};

// All outlive the loop.
struct StepLoopParts {
  ModelRunner* runner = nullptr;
  const Clock* clock = nullptr;
  scheduler::Scheduler* scheduler = nullptr;
  cache::CacheManager* cache = nullptr;
  cache::KvStore* store = nullptr;
  std::vector<Drafter*> drafters;  // asked in order until one proposes
};

// One thread at a time. Every accepted choice gets exactly one output with a finish, the last of
// its outputs. Sinks are called between steps, when nothing is in flight; they must not call back
// into the loop.
class StepLoop {
 public:
  StepLoop(const StepLoopConfig& config, const StepLoopParts& parts, ChoiceContext context);

  // A validated request whose choices get the scheduler ids id, id + 1, ... Nothing is taken and
  // the sink is never called when it fails.
  Status submit(RequestId id, GenerateRequest request, OutputSink sink, Time arrival);

  // Ends every choice that is still open with kAbort; false when the id is not known (any more).
  bool cancel(RequestId id);
  void cancel_all();

  // One step. False when there was nothing to run and nothing to report.
  bool step();

  bool has_work() const { return !choices_.empty(); }
  Time next_deadline() const { return scheduler_->next_deadline(); }
  cache::CacheManager::Reset reset_cache() { return cache_->reset(); }

  EngineStats stats() const;
  std::vector<RequestInfo> requests() const;
  LiveView view(const LiveViewWish& wish) const;

 private:
  struct Sampled {
    Choice* choice = nullptr;
    Draws draws;
    Output output;
  };

  Status submit_choices(const std::shared_ptr<LiveRequest>& live);
  void report_expired(const scheduler::StepPlan& plan);
  void build_batch(const scheduler::StepPlan& plan);
  void forward(const scheduler::StepPlan& plan);
  void draw_all(const scheduler::StepPlan& plan);
  void draw_one(const scheduler::ScheduledSequence& sequence, std::size_t index,
                SamplerScratch& scratch);
  void conclude(const scheduler::StepPlan& plan, Time now);
  void emit_all(const scheduler::StepPlan& plan, Time now);
  void propose(const scheduler::StepPlan& plan);
  std::vector<std::int32_t> ask_drafters(Choice& choice, int max);
  void count_step(const scheduler::StepPlan& plan, Time elapsed);
  void count_drafts(const scheduler::ScheduledSequence& sequence, Choice& choice, int accepted);
  void end_choice(RequestId scheduler_id, FinishReason finish);
  void deliver(Choice& choice, Output&& output, const scheduler::RequestTrace& trace, Time now);
  void reserve_logits(int rows);
  std::span<const float> logits(int row, int count) const;
  std::span<const float> hidden(int row, int count) const;

  StepLoopConfig config_;
  ModelRunner* runner_;
  const Clock* clock_;
  scheduler::Scheduler* scheduler_;
  cache::CacheManager* cache_;
  cache::KvStore* store_;
  std::vector<Drafter*> drafters_;
  ChoiceContext context_;

  std::map<RequestId, std::shared_ptr<LiveRequest>> live_;
  std::map<RequestId, std::unique_ptr<Choice>> choices_;  // by scheduler id
  // Of the drafts in flight; null: the choice's own guidance.
  std::map<RequestId, Drafter*> proposers_;

  StepBatch batch_;
  Arena logits_;
  std::vector<float> hidden_;  // [rows, D] of the step's pooled prompts
  int logits_rows_ = 0;
  std::vector<SamplerScratch> scratch_;  // one per parallel chunk
  std::vector<Sampled> sampled_;         // in the plan's order
  std::vector<scheduler::SequenceResult> results_;
  EngineStats stats_;
  TypicalStep typical_step_;
  StepRecorder recorder_;
};

}  // namespace quire::engine
