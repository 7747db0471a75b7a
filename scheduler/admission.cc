// Which waiting request starts, and which is better held back a little.
#include <algorithm>

#include "base/check.h"
#include "scheduler/scheduler_impl.h"

namespace quire::scheduler {
namespace {

constexpr int kHeldStepsMax = 8;           // without progress of the one it waits for
constexpr int kOptimisticPreemptions = 2;  // more than that, and all it may need is reserved

}  // namespace

// Admission is optimistic about outputs: the known tokens and a page more. A request that lost its
// pages twice already is given room for its whole life.
std::int64_t Scheduler::Impl::reserve_tokens(const Request& request) const {
  const std::int64_t most = std::max<std::int64_t>(request.computed_max(), 1);
  if (request.trace.preemptions >= kOptimisticPreemptions) return most;
  return std::min(most, request.known() + cache.config().page_tokens);
}

// True while a running prefill computes the very page that this request would compute next: a
// step later it can share it.
bool Scheduler::Impl::held_back(Request& request) {
  if (!cache.config().prefix_cache || !request.input.read_prefix_cache) return false;
  for (const Request* other : running.requests()) {
    if (other->decodes() || !other->input.write_prefix_cache) continue;
    const auto next = static_cast<std::size_t>(other->computed / cache.config().page_tokens);
    if (next >= request.page_hashes.size() || next >= other->page_hashes.size()) continue;
    if (request.page_hashes[next] != other->page_hashes[next]) continue;
    if (request.held_for != other->input.id) {
      request.held_for = other->input.id;
      request.held_at = -1;
      const auto both = std::min(request.known(), other->known());
      const auto differ = std::mismatch(request.tokens.begin(), request.tokens.begin() + both,
                                        other->tokens.begin());
      const std::int64_t common = differ.first - request.tokens.begin();
      cache.want_snapshot(other->sequence, std::min(common, request.known() - 1));
    }
    request.held_steps = request.held_at == other->computed ? request.held_steps + 1 : 0;
    request.held_at = other->computed;
    if (request.held_steps < kHeldStepsMax) return true;
  }
  return false;
}

Scheduler::Impl::Try Scheduler::Impl::try_admit(Budget& budget, Request& request) {
  const bool shares = request.input.read_prefix_cache || request.input.write_prefix_cache;
  if (shares && cache.config().prefix_cache) {
    cache.extend_page_hashes(request.input.cache_namespace, request.tokens, request.page_hashes);
  }
  if (held_back(request)) return Try::kHeld;
  cache::SequenceRequest wish;
  wish.tokens = request.tokens;
  wish.page_hashes = request.page_hashes;
  wish.cache_namespace = request.input.cache_namespace;
  wish.read = request.input.read_prefix_cache;
  wish.write = request.input.write_prefix_cache;
  wish.prompt_tokens = request.prompt_tokens;
  wish.reserve_tokens = reserve_tokens(request);
  wish.counts = request.trace.preemptions == 0;
  const std::optional<cache::Admission> admission = cache.acquire(wish, orders);
  if (!admission) return Try::kNoRoom;

  waiting.erase(&request);
  request.sequence = admission->sequence;
  request.computed = admission->computed;
  request.planned = false;
  request.rows = request.draft_rows = 0;
  request.bypassed = 0;
  request.enter(RequestState::kRunning);
  running.insert(&request);
  if (request.trace.preemptions == 0) {
    request.trace.cached_tokens = admission->computed;
    request.trace.missed = admission->missed;
  }
  const std::int64_t rows = std::max<std::int64_t>(1, prefill_rows(budget, request));
  const std::int64_t end = cache.grow(request.sequence, request.computed + rows);
  CHECK(end > request.computed, "request {} was admitted without a page", request.input.id);
  add_rows(budget, request, end - request.computed);
  return Try::kAdmitted;
}

}  // namespace quire::scheduler
