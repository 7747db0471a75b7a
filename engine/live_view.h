// What an observer sees of the engine between two steps: bounded in size, without prompts or texts.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "cache/cache_view.h"
#include "engine/engine.h"

namespace quire::engine {

// A sequence's rows in one step. Its prefill is done when they are the newest token and drafts.
struct StepShare {
  RequestId sequence = 0;  // RequestView::sequence
  std::int32_t rows = 0;   // drafts included
  std::int32_t drafts = 0, accepted = 0;
  bool prefill = false;
};

// The parts follow each other: they sum to the step's time.
struct StepFacts {
  std::uint64_t number = 0;
  Time begin = {};
  Time schedule = {};  // plan, and the batch made of it
  Time forward = {};   // copies of pages, then the model
  Time sample = {};    // draw and verify
  Time commit = {};    // detokenize, stop checks, advance, publish, release
  Time emit = {};      // to the clients' streams, and drafts for the next step
  std::int32_t decode_rows = 0, prefill_rows = 0, draft_rows = 0, accepted_drafts = 0;
  std::int32_t sequences = 0;
  std::int64_t context_tokens = 0;  // whose keys and values the step reads, over all sequences
  Time target = {};                 // step time aimed at
};

struct StepRecord {
  StepFacts facts;
  std::vector<StepShare> shares;     // decodes first; empty in older steps
  std::vector<RequestId> preempted;  // sequences that lost their pages and wait again
};

struct PageRange {
  std::int32_t first = 0, count = 0;
};

enum class RequestPhase { kWaiting, kPrefill, kDecode };

struct RequestView {
  RequestId id = 0;
  int choice = 0;
  RequestId sequence = 0;  // unique among choices
  RequestPhase phase = RequestPhase::kWaiting;
  std::int64_t prompt_tokens = 0, cached_tokens = 0, computed_tokens = 0;
  std::int64_t output_tokens = 0, max_tokens = 0;
  std::int64_t draft_tokens = 0, accepted_draft_tokens = 0;
  int preemptions = 0, priority = 0;
  Time arrival = {}, first_scheduled = {}, first_token = {};  // zero: not yet
  std::vector<PageRange> pages;  // of the first KV group, in the order of the tokens
};

struct FinishedView {
  std::uint64_t serial = 0;  // 1 for the first since the start
  RequestId id = 0;
  int choice = 0;
  RequestId sequence = 0;
  FinishReason finish = FinishReason::kNone;
  Usage usage;
  Timings timings;
};

struct LiveViewWish {
  std::uint64_t steps_after = 0;     // steps with larger numbers, as far as they are kept
  std::uint64_t finished_after = 0;  // likewise, by serial
  int shares_max = 48;               // newest steps that tell their shares
  int requests_max = 256;
  int ranges_max = 4096;  // page ranges of all requests together
  cache::CacheViewLimits cache;
};

struct LiveView {
  Time now = {};
  EngineStats stats;
  cache::CacheView cache;
  std::vector<StepRecord> steps;       // ascending
  std::vector<RequestView> requests;   // the oldest, at most requests_max
  std::int64_t requests_total = 0;     // choices that run and wait
  std::vector<FinishedView> finished;  // ascending
};

}  // namespace quire::engine
