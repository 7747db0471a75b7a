// One simulated server: the real scheduler, cache and step loop around a fake model and a virtual
// clock, clients that come, go and misbehave, and the checks of every output.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cache/cache_manager.h"
#include "cache/kv_store.h"
#include "engine/grammar/matcher.h"
#include "engine/step_loop.h"
#include "scheduler/scheduler.h"
#include "tests/sim/fake_model.h"
#include "tests/sim/fake_tokenizer.h"
#include "tests/sim/reference.h"
#include "tests/sim/scripted_drafter.h"

namespace quire::sim {

struct WorldConfig {
  std::uint64_t seed = 1;
  FakeModelConfig model;
  cache::CacheConfig cache;
  scheduler::SchedulerConfig scheduler;
  int drafts_max = 0;
  double draft_accuracy = 0.5;
  int check_every = 1;  // steps
  // Per step.
  double arrival_chance = 0.3, cancel_chance = 0.02, reset_chance = 0.002;
  // Per request.
  double timeout_chance = 0.05, priority_chance = 0.2;
  int prompt_max = 90, output_max = 40;
};

// Draws every parameter of a world from the seed.
WorldConfig random_world(std::uint64_t seed);

// What happened, so that a run that never met an event proves nothing unnoticed.
struct WorldCounts {
  std::int64_t steps = 0, requests = 0, refused = 0, tokens = 0;
  std::int64_t stops = 0, stop_strings = 0, lengths = 0, aborts = 0, timeouts = 0, errors = 0;
  std::int64_t preemptions = 0, drafts = 0, accepted = 0, cached_tokens = 0, resets = 0;
  std::int64_t scored_prompts = 0, shared_choices = 0, structured = 0, chained = 0;
  std::uint64_t fingerprint = 0;  // of everything that came out, in order
  void add(const WorldCounts& other);
};

class World {
 public:
  explicit World(const WorldConfig& config);

  // One round: perhaps an arrival, a cancellation, a reset; then a step. faults: whether anything
  // but arrivals may go wrong.
  void round(bool arrivals, bool faults);
  bool busy() const { return loop_->has_work(); }
  // Runs without arrivals and faults until everything has finished; fails the test when that takes
  // longer than the work can explain.
  void drain();
  const WorldCounts& counts() const { return counts_; }

  // For single steps by hand.
  engine::GenerateRequest random_request();
  engine::RequestId submit(engine::GenerateRequest request);
  void cancel(engine::RequestId id);
  void step();
  const cache::CacheManager& cache() const { return cache_; }
  const engine::StepLoop& loop() const { return *loop_; }

 private:
  struct ChoiceLog {
    Answer expected;
    std::vector<std::int32_t> tokens;
    std::string text;
    std::vector<engine::OutputToken> prompt_tokens;
    bool finished = false;
  };
  struct RequestLog {
    engine::GenerateRequest request;
    std::vector<ChoiceLog> choices;
    bool cancelled = false;
  };

  void structure(engine::GenerateRequest& request);
  void bend(engine::SamplingParams& params);
  std::shared_ptr<const grammar::Network> network_of(const engine::GenerateRequest& request) const;
  void receive(engine::RequestId id, engine::Output&& output);
  void check_finish(const RequestLog& log, const ChoiceLog& choice, const engine::Output& output);
  void check_prompt_scores(const RequestLog& log, const ChoiceLog& choice);
  void count_finish(const engine::Output& output);
  void mix(std::uint64_t value) { counts_.fingerprint = mix64(counts_.fingerprint * 31 + value); }

  WorldConfig config_;
  Rng rng_;
  VirtualClock clock_;
  FakeTokenizer tokenizer_;
  FakeFunction function_;
  FakeModel model_;
  cache::CacheManager cache_;
  cache::KvStore store_;
  std::int64_t context_max_;
  scheduler::Scheduler scheduler_;
  ScriptedDrafter scripted_;
  std::unique_ptr<engine::Drafter> lookup_;
  std::unique_ptr<engine::StepLoop> loop_;
  // A grammar as the engine shares it, and what it was made from.
  struct Structure {
    std::shared_ptr<const grammar::Network> network;
    std::shared_ptr<grammar::CompiledGrammar> compiled;
  };
  std::vector<Structure> structures_;
  std::vector<std::vector<std::int32_t>> trunks_;  // shared beginnings of prompts
  std::map<engine::RequestId, RequestLog> logs_;   // of open requests
  engine::RequestId next_id_ = 1;
  WorldCounts counts_;
};

}  // namespace quire::sim
