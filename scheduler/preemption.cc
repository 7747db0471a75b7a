// Whose pages are taken when memory runs short.
#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "scheduler/scheduler_impl.h"

namespace quire::scheduler {

// Lets pages cover [computed, end), at the cost of juniors that are not in the step yet.
bool Scheduler::Impl::make_room(Request& request, std::int64_t end) {
  while (cache.grow(request.sequence, end) < end) {
    Request* victim = victim_for(request);
    if (victim == nullptr) return false;
    preempt(victim);
  }
  return true;
}

// Only a junior makes way, so the most senior running request never loses its pages and two
// requests never take turns in robbing each other. Among juniors: one that holds pages of its own,
// then the least urgent, then the one that loses the least work, then the youngest.
Request* Scheduler::Impl::victim_for(const Request& request) const {
  Request* best = nullptr;
  const auto cost = [&](const Request* it) {
    return std::tuple(cache.exclusive_pages(it->sequence) == 0,
                      -static_cast<std::int64_t>(it->input.priority), it->computed,
                      -static_cast<std::int64_t>(it->rank.serial));
  };
  for (Request* it : running.requests()) {
    if (it->planned || it->rank <= request.rank) continue;
    if (best == nullptr || cost(it) < cost(best)) best = it;
  }
  return best;
}

// Everything goes back to the pool, tail first, but stays findable until it is needed: what was
// not needed by then is hit again when the request returns. So only the tail is lost.
void Scheduler::Impl::preempt(Request* request) {
  running.erase(request);
  cache.release(request->sequence, request->tokens);
  request->sequence = -1;
  request->preempted_at = request->computed;
  request->computed = 0;
  request->drafts.clear();
  request->planned = false;
  request->held_for = 0;
  ++request->trace.preemptions;
  ++counters.preemptions;
  request->enter(RequestState::kWaiting);
  waiting.insert(request);
  current.preempted.push_back(request->input.id);
}

// For tests: every so many steps the youngest request that got further since it last lost its
// pages loses them again.
void Scheduler::Impl::debug_preempt() {
  if (config.debug_preempt_every <= 0) return;
  if (current.number % static_cast<std::uint64_t>(config.debug_preempt_every) != 0) return;
  Request* victim = nullptr;
  for (Request* it : running.requests()) {
    if (it->computed <= it->preempted_at) continue;
    if (victim == nullptr || it->trace.preemptions <= victim->trace.preemptions) victim = it;
  }
  if (victim != nullptr) preempt(victim);
}

}  // namespace quire::scheduler
