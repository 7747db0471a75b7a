// The step loop's view of itself, gathered on the engine thread between two steps.
#include "engine/live_view.h"

#include <algorithm>
#include <span>

#include "engine/step_loop.h"

namespace quire::engine {
namespace {

// The table as ranges of neighbouring pages, at most `room` of them.
std::vector<PageRange> ranges_of(std::span<const std::int32_t> table, std::int64_t tokens,
                                 int page_tokens, int& room) {
  std::vector<PageRange> ranges;
  const auto held = static_cast<std::size_t>((tokens + page_tokens - 1) / page_tokens);
  for (const std::int32_t page : table.first(std::min(table.size(), held))) {
    if (page < 0) continue;  // behind a window
    if (!ranges.empty() && ranges.back().first + ranges.back().count == page) {
      ++ranges.back().count;
      continue;
    }
    if (room == 0) break;
    --room;
    ranges.push_back({page, 1});
  }
  return ranges;
}

RequestPhase phase_of(const RequestView& view, bool running) {
  if (!running) return RequestPhase::kWaiting;
  return view.computed_tokens < view.prompt_tokens ? RequestPhase::kPrefill : RequestPhase::kDecode;
}

}  // namespace

LiveView StepLoop::view(const LiveViewWish& wish) const {
  LiveView view;
  view.now = clock_->now();
  view.stats = stats();
  view.cache = cache_->view(wish.cache);
  view.requests_total = std::ssize(choices_);
  recorder_.copy(wish, view);
  int room = wish.ranges_max;
  for (const auto& [scheduler_id, choice] : choices_) {
    if (std::ssize(view.requests) == wish.requests_max) break;
    const auto trace = scheduler_->trace(scheduler_id).value_or(scheduler::RequestTrace{});
    const scheduler::Scheduler::Standing standing = scheduler_->standing(scheduler_id);
    RequestView request;
    request.id = choice->live().id;
    request.choice = choice->index();
    request.sequence = scheduler_id;
    request.prompt_tokens = std::ssize(choice->live().request.prompt);
    request.cached_tokens = trace.cached_tokens;
    request.computed_tokens = standing.computed;
    request.output_tokens = choice->made();
    request.max_tokens = choice->params().max_tokens;
    request.draft_tokens = trace.draft_tokens;
    request.accepted_draft_tokens = trace.accepted_draft_tokens;
    request.preemptions = trace.preemptions;
    request.priority = choice->live().request.priority;
    request.arrival = choice->live().arrival;
    request.first_scheduled = trace.first_scheduled;
    request.first_token = choice->first_token();
    request.phase = phase_of(request, standing.sequence >= 0);
    if (standing.sequence >= 0 && !cache_->config().groups.empty()) {
      request.pages = ranges_of(cache_->page_tables(standing.sequence).front(), standing.computed,
                                cache_->config().page_tokens, room);
    }
    view.requests.push_back(std::move(request));
  }
  return view;
}

}  // namespace quire::engine
