// The step loop on its own thread behind a bounded inbox.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/step_loop.h"

namespace quire::engine {

struct ThreadedEngineConfig {
  SamplingLimits limits;
  std::int64_t context_max = 0;  // prompt + output
  // Choices that run and wait together, and their prompt tokens; more are refused (kOverloaded).
  int choices_max = 320;
  std::int64_t prompt_tokens_max = 2'000'000;
  int choices_per_request_max = 128;
};

// What an engine owns, in the order of construction.
struct EngineParts {
  std::unique_ptr<models::Model> model;  // null with a runner that needs none
  std::unique_ptr<ModelRunner> runner;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<cache::CacheManager> cache;
  std::unique_ptr<cache::KvStore> store;
  std::unique_ptr<scheduler::Scheduler> scheduler;
  std::vector<std::unique_ptr<Drafter>> drafters;
  ModelCard card;
  const kernels::Kernels* kernels = nullptr;
};

std::unique_ptr<Engine> make_threaded_engine(const ThreadedEngineConfig& config,
                                             const StepLoopConfig& loop, EngineParts parts);

}  // namespace quire::engine
