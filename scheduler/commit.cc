// What became of the planned rows.
#include <algorithm>

#include "base/check.h"
#include "scheduler/scheduler_impl.h"

namespace quire::scheduler {

void Scheduler::Impl::trace_rows(Request& request, std::int64_t accepted) {
  request.trace.computed_tokens += request.rows;
  request.trace.draft_tokens += request.draft_rows;
  request.trace.accepted_draft_tokens += accepted;
  const std::int64_t end = request.computed + request.rows - request.draft_rows;
  const std::int64_t again = std::min(request.computed_most, end) - request.computed;
  counters.recomputed_tokens += std::max<std::int64_t>(0, again);
}

void Scheduler::Impl::settle(Request& request, const SequenceResult& result) {
  const std::int64_t fixed = request.rows - request.draft_rows;
  const std::int64_t sampled = std::ssize(result.tokens);
  const bool samples = fixed == request.pending() && request.input.new_tokens_max > 0;
  CHECK(samples ? sampled <= 1 + request.draft_rows : sampled == 0,
        "request {}: {} tokens from a step with {} drafts", request.input.id, sampled,
        request.draft_rows);
  CHECK(!samples || sampled > 0 || result.finished || result.poisoned || request.cancelled,
        "request {} sampled nothing", request.input.id);
  const std::int64_t accepted = request.cancelled ? 0 : std::max<std::int64_t>(0, sampled - 1);
  trace_rows(request, accepted);
  if (result.poisoned) {
    running.erase(&request);
    cache.discard(request.sequence);
    request.sequence = -1;
    retire(&request, request.cancelled ? RequestState::kCancelled : RequestState::kFailed);
    return;
  }
  CHECK(std::equal(result.tokens.begin(), result.tokens.begin() + accepted, request.drafts.begin(),
                   request.drafts.begin() + accepted),
        "request {}: an accepted token is not the draft", request.input.id);
  if (!request.cancelled) {
    request.tokens.insert(request.tokens.end(), result.tokens.begin(), result.tokens.end());
  }
  request.computed += fixed + accepted;
  request.computed_most = std::max(request.computed_most, request.computed);
  request.drafts.clear();
  CHECK(request.output_tokens() <= request.input.new_tokens_max, "request {}: {} of {} tokens",
        request.input.id, request.output_tokens(), request.input.new_tokens_max);
  cache.advance(request.sequence, request.tokens, request.computed, static_cast<int>(accepted));
  const bool complete = request.output_tokens() == request.input.new_tokens_max &&
                        request.known() - request.computed <= (request.output_tokens() > 0 ? 1 : 0);
  if (!result.finished && !complete && !request.cancelled) return;
  running.erase(&request);
  cache.release(request.sequence, request.tokens);
  request.sequence = -1;
  retire(&request, request.cancelled ? RequestState::kCancelled : RequestState::kFinished);
}

// Those that the step did not run.
void Scheduler::Impl::settle_cancelled() {
  const std::vector<Request*> all = running.requests();
  for (Request* request : all) {
    if (!request->cancelled) continue;
    running.erase(request);
    cache.release(request->sequence, request->tokens);
    request->sequence = -1;
    retire(request, RequestState::kCancelled);
  }
}

void Scheduler::commit(const std::vector<SequenceResult>& results, Time elapsed, Time now) {
  Impl& it = *impl_;
  CHECK(it.in_step, "commit without a plan");
  CHECK(results.size() == it.current.sequences.size(), "{} results for {} sequences",
        results.size(), it.current.sequences.size());
  it.retired.clear();
  for (std::size_t i = 0; i < results.size(); ++i) {
    Request* request = it.find(results[i].id);
    CHECK(request != nullptr && results[i].id == it.current.sequences[i].id,
          "result {} is of request {}, not {}", i, results[i].id, it.current.sequences[i].id);
    if (request->trace.first_scheduled == Time::zero()) {
      request->trace.first_scheduled = std::max(now - elapsed, request->trace.arrival);
    }
    it.settle(*request, results[i]);
  }
  it.settle_cancelled();
  it.cost.observe(it.planned_load, elapsed);
  it.in_step = false;
}

}  // namespace quire::scheduler
