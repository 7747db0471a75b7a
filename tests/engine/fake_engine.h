// An engine thread around the fake model of tests/sim, for tests of the public interface.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/threaded_engine.h"
#include "tests/sim/fake_model.h"
#include "tests/sim/fake_tokenizer.h"
#include "tests/sim/reference.h"

namespace quire::engine {

struct FakeEngineConfig {
  sim::FakeModelConfig model;
  int sequences_max = 8;
  int choices_max = 1000;
  std::int64_t context_max = 400;
  int pages = 400;
  Time forward_sleep = {};  // real time, for tests that must catch a request in the middle
};

// The fake model with a virtual clock of its own, made slow on demand.
class SleepyModel final : public ModelRunner {
 public:
  explicit SleepyModel(const FakeEngineConfig& config)
      : model_(config.model, clock_), sleep_(config.forward_sleep) {}
  int vocab() const override { return model_.vocab(); }
  void forward(const models::StepInput& step, const models::StepMemory& memory,
               float* logits) override {
    if (sleep_ > Time::zero()) std::this_thread::sleep_for(sleep_);
    model_.forward(step, memory, logits);
  }

 private:
  VirtualClock clock_;
  sim::FakeModel model_;
  Time sleep_;
};

inline std::unique_ptr<Engine> make_fake_engine(const FakeEngineConfig& config) {
  EngineParts parts;
  parts.runner = std::make_unique<SleepyModel>(config);
  parts.tokenizer = std::make_unique<sim::FakeTokenizer>();
  parts.clock = std::make_unique<SteadyClock>();
  parts.kernels = &kernels::kernels(kernels::best_isa());
  parts.card.eos_ids = {sim::FakeTokenizer::kEos};
  cache::CacheConfig cache;
  cache.page_tokens = config.model.page_tokens;
  for (const std::int64_t window : config.model.windows) {
    cache.groups.push_back({.window = window, .page_count = config.pages});
  }
  parts.cache = std::make_unique<cache::CacheManager>(cache);
  parts.store = std::make_unique<cache::KvStore>(sim::FakeModel::store_config(config.model, cache));
  scheduler::SchedulerConfig scheduler;
  scheduler.sequences_max = config.sequences_max;
  scheduler.context_max = config.context_max;
  scheduler.waiting_max = config.choices_max;
  scheduler.drafts_max = 4;
  parts.scheduler = std::make_unique<scheduler::Scheduler>(scheduler, *parts.cache);
  parts.drafters.push_back(make_predicted_drafter(4));
  parts.drafters.push_back(make_prompt_lookup_drafter(4));
  ThreadedEngineConfig threaded;
  threaded.limits.vocab = config.model.vocab;
  threaded.context_max = config.context_max;
  threaded.choices_max = config.choices_max;
  StepLoopConfig loop;
  loop.draft_tokens_max = 4;
  loop.invariant_check_every = 7;
  return make_threaded_engine(threaded, loop, std::move(parts));
}

// Gathers the outputs of one request and waits for its end. What the sink writes to lives as long
// as the sink, so that a test that gave up does not take it from under the engine.
class Collector {
 public:
  explicit Collector(int choices) { state_->choices.resize(static_cast<std::size_t>(choices)); }

  OutputSink sink() {
    return [state = state_](Output&& output) { state->take(std::move(output)); };
  }

  struct Choice {
    std::string text;
    std::vector<OutputToken> tokens, prompt;
    Output last;
    int finishes = 0;
    std::vector<std::int32_t> ids() const {
      std::vector<std::int32_t> ids;
      for (const OutputToken& token : tokens) ids.push_back(token.id);
      return ids;
    }
  };

  // False when it took longer than kPatience.
  bool wait() {
    return wait_until([&state = *state_] {
      for (const Choice& choice : state.choices) {
        if (choice.finishes == 0) return false;
      }
      return true;
    });
  }
  bool wait_for_tokens(std::size_t count) {
    return wait_until([&state = *state_, count] {
      return state.choices[0].finishes > 0 || state.choices[0].tokens.size() >= count;
    });
  }
  // Only after wait().
  const Choice& choice(int index) const {
    return state_->choices.at(static_cast<std::size_t>(index));
  }

 private:
#if defined(__SANITIZE_THREAD__)
  static constexpr std::chrono::minutes kPatience{10};  // every step is ten to thirty times slower
#else
  static constexpr std::chrono::minutes kPatience{1};
#endif

  struct State {
    void take(Output&& output) {
      const std::lock_guard lock(mutex);
      Choice& choice = choices.at(static_cast<std::size_t>(output.choice));
      choice.text += output.text;
      for (OutputToken& token : output.tokens) choice.tokens.push_back(std::move(token));
      for (OutputToken& token : output.prompt_tokens) choice.prompt.push_back(std::move(token));
      if (output.finish != FinishReason::kNone) {
        ++choice.finishes;
        choice.last = std::move(output);
      } else if (choice.finishes > 0) {
        choice.finishes = 1000;  // an output behind the finish
      }
      changed.notify_all();
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Choice> choices;
  };

  template <class F>
  bool wait_until(const F& done) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, kPatience, done);
  }

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace quire::engine
