// The public face of the engine: submit, stream, cancel. One engine thread runs the step loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cache/cache_manager.h"
#include "engine/config.h"
#include "engine/output_token.h"
#include "engine/pooling.h"
#include "engine/sampling.h"
#include "models/text/tokenizer.h"
#include "scheduler/request.h"

namespace quire::grammar {
class CompiledGrammar;
}

namespace quire::engine {

using RequestId = scheduler::RequestId;

enum class FinishReason { kNone, kStop, kLength, kAbort, kError, kTimeout };

struct Usage {
  std::int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
  std::int64_t draft_tokens = 0, accepted_draft_tokens = 0;
  // Of the drafts, those out of the request's predicted text.
  std::int64_t predicted_tokens = 0, accepted_predicted_tokens = 0;
  std::int64_t reasoning_tokens = 0;  // inside the reasoning's markers
  int preemptions = 0;
  cache::MissedTokens missed = {};  // of the prompt
};

// Times on the engine's clock. queued = arrival .. first_scheduled, prefill = .. first_token,
// decode = .. finished: the parts sum to the whole.
struct Timings {
  Time arrival = {}, first_scheduled = {}, first_token = {}, finished = {};
};

// What a step brought for one choice. Concatenated texts are the answer; no text ends inside a
// UTF-8 sequence; stop strings never appear, not even in part.
struct Output {
  int choice = 0;
  std::string text;
  std::vector<OutputToken> tokens;
  // With the first output of choice 0 when prompt_logprobs was asked: one per prompt token, the
  // first empty (no top, rank 0).
  std::vector<OutputToken> prompt_tokens;
  FinishReason finish = FinishReason::kNone;
  std::string stop_reason;          // the stop string that matched, else empty
  std::int32_t stop_token_id = -1;  // the one of SamplingParams::stop_token_ids that came, else -1
  Error error;              // with kError
  // With the finish only:
  std::vector<float> embedding;  // [D] of a request that pools
  Usage usage;
  Timings timings;
};

// Called on the engine thread; must not block. After an output with a finish for every choice it
// is not called again.
using OutputSink = std::function<void(Output&&)>;

// How an answer's reasoning is told from the rest: by token ids. Without `end` nothing is counted.
struct ReasoningMarkers {
  std::vector<std::int32_t> begin, end;
  bool open = false;             // the prompt ends inside the reasoning
  std::int64_t tokens_max = -1;  // after so many tokens inside, `end` is forced; -1: no limit
};

struct GenerateRequest {
  std::vector<std::int32_t> prompt;
  SamplingParams sampling;
  // Other than kNone: the prompt's vector is wanted and nothing is generated; max_tokens must be 0.
  Pooling pooling = Pooling::kNone;
  // What the output must match; it ends where the grammar can only end. An end token may come only
  // where the output is complete. May be null.
  std::shared_ptr<grammar::CompiledGrammar> grammar;
  ReasoningMarkers reasoning;
  // Special tokens that stay in the text although sampling.skip_special_tokens is set.
  std::vector<std::int32_t> visible_special_ids;
  int n = 1;  // choices; choice i draws from (seed, i) and shares the prompt's pages
  int priority = 0;
  Time timeout = Time::max();           // from submission
  std::string cache_salt;               // prefixes are shared within equal salts only
  std::vector<std::int32_t> predicted;  // text that the client expects: draft material
};

struct EngineStats {
  int running = 0, waiting = 0;
  std::int64_t open_prompt_tokens = 0;  // of the requests that run and wait
  std::uint64_t steps = 0, preemptions = 0;
  cache::CacheStats cache;
  std::uint64_t prompt_tokens = 0, generation_tokens = 0, cached_prompt_tokens = 0;
  std::uint64_t drafts = 0, draft_tokens = 0, accepted_draft_tokens = 0;
  std::vector<std::uint64_t> drafted_per_position, accepted_per_position;
  std::uint64_t nan_rows = 0;         // requests that ended since their logits were not finite
  std::uint64_t unknown_cancels = 0;  // of requests that had finished, or never were
  Time last_step_at = {};             // a step or an idle heartbeat: the watchdog's evidence
  double step_seconds = 0;            // as a rule: the median of the last steps
  std::vector<std::uint64_t> step_tokens_histogram;  // bounds in kStepTokenBounds
};
inline constexpr int kStepTokenBounds[] = {1,   8,    16,   32,   64,   128,  256,
                                           512, 1024, 2048, 4096, 8192, 16384};

// The live requests, for /slots and the page.
struct RequestInfo {
  RequestId id = 0;
  int choice = 0;
  bool running = false;  // was scheduled at least once
  std::int64_t prompt_tokens = 0, computed_tokens = 0, output_tokens = 0, max_tokens = 0;
  int preemptions = 0;
  Time arrival = {};
};

struct LiveView;      // engine/live_view.h
struct LiveViewWish;  // engine/live_view.h

// Thread-safe but for construction. Destruction cancels what is left and joins the engine thread.
class Engine {
 public:
  virtual ~Engine() = default;

  // Checks the request (kInvalid names the field and the limit) and the queue (kOverloaded).
  // Nothing was taken when it fails. The sink is called until every choice has finished.
  virtual Result<RequestId> submit(GenerateRequest request, OutputSink sink) = 0;

  // Ends every choice with kAbort within one step; unknown ids are ignored and counted.
  virtual void cancel(RequestId id) = 0;

  // Refuses new work from now on; true when nothing was left before the timeout.
  virtual bool drain(Time timeout) = 0;

  // Frees every cached page and snapshot that no request holds.
  struct CacheReset {
    std::int64_t pages_freed = 0, states_freed = 0;
  };
  virtual CacheReset reset_cache() = 0;

  // Calls `done` once, on the engine thread between two steps, with what an observer can see then;
  // it must not block. Nothing is gathered for it while nobody asks, but for a ring of steps.
  virtual void observe(const LiveViewWish& wish, std::function<void(LiveView&&)> done) = 0;

  virtual EngineStats stats() const = 0;
  virtual std::vector<RequestInfo> requests() const = 0;
  // A step finished, or the engine was idle, within the window; false means stalled or dead.
  virtual bool healthy(Time window) const = 0;

  virtual const text::Tokenizer& tokenizer() const = 0;
  virtual const ModelCard& card() const = 0;
};

// Loads the checkpoint (config.model), plans memory, starts the engine thread.
Result<std::unique_ptr<Engine>> create_engine(const EngineConfig& config);

}  // namespace quire::engine
