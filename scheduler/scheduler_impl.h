// The parts of Scheduler, shared by the files that implement it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "scheduler/cost_model.h"
#include "scheduler/queue.h"
#include "scheduler/request_state.h"
#include "scheduler/scheduler.h"

namespace quire::scheduler {

struct Scheduler::Impl {
  Impl(const SchedulerConfig& settings, cache::CacheManager& manager)
      : config(settings), cache(manager) {}

  // What is left of the step being planned.
  struct Budget {
    std::int64_t rows = 0;  // of step_tokens_max
    StepLoad load;          // planned so far
    double seconds = 0;     // the step may take
    int parties = 0;        // prefills that still want a share
    bool tight = false;     // memory ran short: nobody new is admitted
  };

  // scheduler.cc
  Status check_limits(const NewRequest& request) const;
  Request* find(RequestId id) const;
  void retire(Request* request, RequestState state);  // it is in no queue any more

  // plan.cc: each concern of a step, in this order
  void expire(Time now);
  void secure_senior(Budget& budget);
  void plan_decodes(Budget& budget);
  void plan_drafts(Budget& budget);
  void plan_prefills(Budget& budget);
  void admit(Budget& budget);
  void extend_prefills(Budget& budget);
  void finish_plan();

  std::int64_t prefill_rows(const Budget& budget, const Request& request) const;
  bool prefill_work() const;
  void add_rows(Budget& budget, Request& request, std::int64_t rows);
  ScheduledSequence scheduled(Request& request, StepLoad& load);

  // admission.cc
  enum class Try { kAdmitted, kHeld, kNoRoom };
  Try try_admit(Budget& budget, Request& request);
  bool held_back(Request& request);
  std::int64_t reserve_tokens(const Request& request) const;

  // preemption.cc
  bool make_room(Request& request, std::int64_t end);
  Request* victim_for(const Request& request) const;
  void preempt(Request* request);
  void debug_preempt();

  // commit.cc
  void settle(Request& request, const SequenceResult& result);
  void settle_cancelled();
  void trace_rows(Request& request, std::int64_t accepted);

  void check_invariants() const;

  SchedulerConfig config;
  cache::CacheManager& cache;
  CostModel cost;
  std::map<RequestId, std::unique_ptr<Request>> requests;  // waiting and running
  std::vector<std::unique_ptr<Request>> retired;           // since the last commit began
  RequestQueue waiting, running;
  StepPlan current;
  cache::MemoryOrders orders;
  StepLoad planned_load;
  bool in_step = false;  // between plan() and commit()
  std::uint64_t serial = 0;
  SchedulerStats counters;
};

}  // namespace quire::scheduler
