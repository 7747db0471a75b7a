// One mutex guards the inbox and the published snapshots; a step runs without it.
#include "engine/threaded_engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <variant>

#include "base/check.h"
#include "base/entropy.h"
#include "base/log.h"

namespace quire::engine {
namespace {

// Steps in a row without progress although requests are there: let others run before the next.
constexpr auto kStuckPause = std::chrono::milliseconds(5);

struct Submission {
  RequestId id = 0;
  GenerateRequest request;
  OutputSink sink;
  Time arrival = {};
};
struct Cancellation {
  RequestId id = 0;
};
struct CacheResetOrder {
  std::promise<Engine::CacheReset> done;
};
struct Observation {
  LiveViewWish wish;
  std::function<void(LiveView&&)> done;
};
using Command = std::variant<Submission, Cancellation, CacheResetOrder, Observation>;

class ThreadedEngine final : public Engine {
 public:
  ThreadedEngine(const ThreadedEngineConfig& config, const StepLoopConfig& loop, EngineParts parts)
      : config_(config), parts_(std::move(parts)), loop_(loop, loop_parts(parts_), context()) {
    publish();
    thread_ = std::thread([this] { serve(); });
  }
  ~ThreadedEngine() override {
    {
      const std::lock_guard lock(mutex_);
      draining_ = true;
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Result<RequestId> submit(GenerateRequest request, OutputSink sink) override;
  void cancel(RequestId id) override;
  bool drain(Time timeout) override;
  CacheReset reset_cache() override;
  void observe(const LiveViewWish& wish, std::function<void(LiveView&&)> done) override;
  EngineStats stats() const override;
  std::vector<RequestInfo> requests() const override;
  bool healthy(Time window) const override;
  const text::Tokenizer& tokenizer() const override { return *parts_.tokenizer; }
  const ModelCard& card() const override { return parts_.card; }

 private:
  static StepLoopParts loop_parts(const EngineParts& parts);
  ChoiceContext context() const {
    return {parts_.kernels, parts_.tokenizer.get(), parts_.card.eos_ids};
  }
  Status check(const GenerateRequest& request) const;
  Status check_room(const GenerateRequest& request) const;  // with mutex_ held
  OutputSink counted(OutputSink sink, std::int64_t prompt_tokens, int choices);

  void serve();
  bool wait_for_work(bool stuck);
  void run_commands(std::vector<Command>& commands);
  void accept(Submission&& submission);
  void publish();

  const ThreadedEngineConfig config_;
  EngineParts parts_;
  StepLoop loop_;  // of the engine thread alone

  mutable std::mutex mutex_;
  std::condition_variable wake_;     // the engine thread: inbox or stop
  std::condition_variable emptied_;  // drain(): nothing is left
  std::vector<Command> inbox_;
  Time inbox_since_ = Time::max();  // arrival of its oldest command
  bool stopping_ = false;
  bool draining_ = false;
  bool idle_ = true;
  RequestId next_id_ = 1;
  int open_choices_ = 0;  // accepted by submit() and not finished
  std::int64_t open_prompt_tokens_ = 0;
  EngineStats stats_;
  std::vector<RequestInfo> requests_;
  std::uint64_t unknown_cancels_ = 0;

  std::thread thread_;
};

StepLoopParts ThreadedEngine::loop_parts(const EngineParts& parts) {
  StepLoopParts loop;
  loop.runner = parts.runner.get();
  loop.clock = parts.clock.get();
  loop.scheduler = parts.scheduler.get();
  loop.cache = parts.cache.get();
  loop.store = parts.store.get();
  for (const auto& drafter : parts.drafters) loop.drafters.push_back(drafter.get());
  return loop;
}

// --- any thread ---------------------------------------------------------------------------------

Status ThreadedEngine::check(const GenerateRequest& request) const {
  QUIRE_TRY(validate(request.sampling, config_.limits));
  if (request.prompt.empty()) {
    return fail_at("prompt", ErrorCode::kInvalid, "the prompt has no tokens");
  }
  for (const std::int32_t id : request.prompt) {
    if (id >= 0 && id < config_.limits.vocab) continue;
    return fail_at("prompt", ErrorCode::kInvalid,
                   "prompt: token id {} is outside the vocabulary of {}", id, config_.limits.vocab);
  }
  if (request.pooling != Pooling::kNone &&
      (parts_.runner->hidden() == 0 || request.sampling.max_tokens != 0)) {
    return fail_at("pooling", ErrorCode::kUnsupported,
                   "pooling needs a model with hidden states and max_tokens 0, got {}",
                   request.sampling.max_tokens);
  }
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  if (request.sampling.max_tokens > config_.context_max - prompt) {
    return fail_at("max_tokens", ErrorCode::kInvalid,
                   "the prompt has {} tokens and max_tokens is {}: together more than the context "
                   "of {} tokens",
                   prompt, request.sampling.max_tokens, config_.context_max);
  }
  if (request.n < 1 || request.n > config_.choices_per_request_max) {
    return fail_at("n", ErrorCode::kInvalid, "n must be between 1 and {}, got {}",
                   config_.choices_per_request_max, request.n);
  }
  return {};
}

Status ThreadedEngine::check_room(const GenerateRequest& request) const {
  if (draining_) return fail(ErrorCode::kOverloaded, "the server is shutting down");
  if (open_choices_ + request.n > config_.choices_max) {
    return fail(ErrorCode::kOverloaded,
                "the queue is full: {} choices run or wait, the request has {} more, the limit is "
                "{}",
                open_choices_, request.n, config_.choices_max);
  }
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  if (open_choices_ > 0 && open_prompt_tokens_ + prompt > config_.prompt_tokens_max) {
    return fail(ErrorCode::kOverloaded,
                "the queue is full: prompts of {} tokens run or wait, the request has {}, the "
                "limit is {}",
                open_prompt_tokens_, prompt, config_.prompt_tokens_max);
  }
  return {};
}

OutputSink ThreadedEngine::counted(OutputSink sink, std::int64_t prompt_tokens, int choices) {
  return [this, sink = std::move(sink), prompt_tokens, open = choices](Output&& output) mutable {
    const bool finished = output.finish != FinishReason::kNone;
    sink(std::move(output));
    if (!finished) return;
    const std::lock_guard lock(mutex_);
    --open_choices_;
    if (--open == 0) open_prompt_tokens_ -= prompt_tokens;
    if (open_choices_ == 0) emptied_.notify_all();
  };
}

Result<RequestId> ThreadedEngine::submit(GenerateRequest request, OutputSink sink) {
  QUIRE_TRY(check(request));
  if (!request.sampling.seed) request.sampling.seed = entropy();
  const auto prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    QUIRE_TRY(check_room(request));
    id = next_id_;
    next_id_ += static_cast<RequestId>(request.n);
    open_choices_ += request.n;
    open_prompt_tokens_ += prompt_tokens;
    const Time now = parts_.clock->now();
    inbox_since_ = std::min(inbox_since_, now);
    OutputSink counting = counted(std::move(sink), prompt_tokens, request.n);
    inbox_.emplace_back(Submission{id, std::move(request), std::move(counting), now});
  }
  wake_.notify_one();
  return id;
}

void ThreadedEngine::cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    inbox_since_ = std::min(inbox_since_, parts_.clock->now());
    inbox_.emplace_back(Cancellation{id});
  }
  wake_.notify_one();
}

bool ThreadedEngine::drain(Time timeout) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  return emptied_.wait_for(lock, timeout, [this] { return open_choices_ == 0; });
}

Engine::CacheReset ThreadedEngine::reset_cache() {
  CacheResetOrder order;
  std::future<CacheReset> done = order.done.get_future();
  {
    const std::lock_guard lock(mutex_);
    inbox_since_ = std::min(inbox_since_, parts_.clock->now());
    inbox_.emplace_back(std::move(order));
  }
  wake_.notify_one();
  return done.get();
}

void ThreadedEngine::observe(const LiveViewWish& wish, std::function<void(LiveView&&)> done) {
  {
    const std::lock_guard lock(mutex_);
    inbox_since_ = std::min(inbox_since_, parts_.clock->now());
    inbox_.emplace_back(Observation{wish, std::move(done)});
  }
  wake_.notify_one();
}

EngineStats ThreadedEngine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  // The snapshot is of the last step; what was submitted and what ended since is known exactly.
  stats.running = std::min(stats.running, open_choices_);
  stats.waiting = open_choices_ - stats.running;
  stats.open_prompt_tokens = open_prompt_tokens_;
  stats.unknown_cancels = unknown_cancels_;
  return stats;
}

std::vector<RequestInfo> ThreadedEngine::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

bool ThreadedEngine::healthy(Time window) const {
  const Time now = parts_.clock->now();
  const std::lock_guard lock(mutex_);
  if (idle_) return inbox_.empty() || now - inbox_since_ <= window;
  return now - stats_.last_step_at <= window;
}

// --- the engine thread --------------------------------------------------------------------------

void ThreadedEngine::accept(Submission&& submission) {
  const int choices = submission.request.n;
  OutputSink sink = submission.sink;
  const Status accepted = loop_.submit(submission.id, std::move(submission.request),
                                       std::move(submission.sink), submission.arrival);
  if (accepted) return;
  for (int choice = 0; choice < choices; ++choice) {
    Output output;
    output.choice = choice;
    output.finish = FinishReason::kError;
    output.error = accepted.error();
    const Time now = parts_.clock->now();
    output.timings = {submission.arrival, now, now, now};
    sink(std::move(output));
  }
}

void ThreadedEngine::run_commands(std::vector<Command>& commands) {
  std::uint64_t unknown = 0;
  for (Command& command : commands) {
    if (auto* submission = std::get_if<Submission>(&command)) {
      accept(std::move(*submission));
    } else if (auto* cancellation = std::get_if<Cancellation>(&command)) {
      unknown += loop_.cancel(cancellation->id) ? 0 : 1;
    } else if (auto* observation = std::get_if<Observation>(&command)) {
      observation->done(loop_.view(observation->wish));
    } else {
      const auto reset = loop_.reset_cache();
      std::get<CacheResetOrder>(command).done.set_value({reset.pages, reset.states});
    }
  }
  commands.clear();
  if (unknown == 0) return;
  const std::lock_guard lock(mutex_);
  unknown_cancels_ += unknown;
}

void ThreadedEngine::publish() {
  EngineStats stats = loop_.stats();
  std::vector<RequestInfo> requests = loop_.requests();
  stats.last_step_at = parts_.clock->now();
  const std::lock_guard lock(mutex_);
  stats_ = std::move(stats);
  requests_ = std::move(requests);
}

// Sleeps until there is a command, a stop or (stuck) a moment has passed. False to end the thread.
bool ThreadedEngine::wait_for_work(bool stuck) {
  std::unique_lock lock(mutex_);
  const auto awake = [this] { return stopping_ || !inbox_.empty(); };
  if (stuck) {
    wake_.wait_for(lock, kStuckPause, awake);
  } else if (!loop_.has_work()) {
    idle_ = true;
    wake_.wait(lock, awake);
    idle_ = false;
    stats_.last_step_at = parts_.clock->now();
  }
  return !stopping_;
}

void ThreadedEngine::serve() {
  std::vector<Command> commands;
  bool stuck = false;
  while (wait_for_work(stuck)) {
    {
      const std::lock_guard lock(mutex_);
      commands.swap(inbox_);
      inbox_since_ = Time::max();
    }
    run_commands(commands);
    stuck = loop_.has_work() && !loop_.step();
    publish();
  }
  {
    const std::lock_guard lock(mutex_);
    commands.swap(inbox_);
  }
  run_commands(commands);
  loop_.cancel_all();
  publish();
}

}  // namespace

std::unique_ptr<Engine> make_threaded_engine(const ThreadedEngineConfig& config,
                                             const StepLoopConfig& loop, EngineParts parts) {
  CHECK(parts.runner && parts.tokenizer && parts.clock && parts.cache && parts.store &&
            parts.scheduler && parts.kernels,
        "an engine part is missing");
  return std::make_unique<ThreadedEngine>(config, loop, std::move(parts));
}

}  // namespace quire::engine
