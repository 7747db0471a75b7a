// One step's plan, one function per concern.
#include <algorithm>

#include "base/check.h"
#include "scheduler/scheduler_impl.h"

namespace quire::scheduler {

void Scheduler::Impl::expire(Time now) {
  const auto overdue = [&](const Request* it) { return it->input.deadline <= now; };
  for (RequestQueue* queue : {&waiting, &running}) {
    const std::vector<Request*> all = queue->requests();
    for (Request* request : all) {
      if (!overdue(request)) continue;
      queue->erase(request);
      if (queue == &running) {
        cache.release(request->sequence, request->tokens);
        request->sequence = -1;
      }
      current.expired.push_back(request->input.id);
      retire(request, RequestState::kExpired);
    }
  }
}

// Every step moves the most senior running request, whatever the others hold: so all end.
void Scheduler::Impl::secure_senior(Budget& budget) {
  if (running.empty()) return;
  Request& senior = *running.front();
  const auto before = current.preempted.size();
  CHECK(make_room(senior, senior.computed + 1),
        "request {} of {} tokens does not fit though it fits an empty cache", senior.input.id,
        senior.known());
  budget.tight |= current.preempted.size() > before;
}

bool Scheduler::Impl::prefill_work() const {
  return !waiting.empty() || std::ranges::any_of(running.requests(), [](const Request* it) {
    return !it->planned && !it->decodes();
  });
}

void Scheduler::Impl::add_rows(Budget& budget, Request& request, std::int64_t rows) {
  if (request.decodes()) {
    budget.load.add_decode(request.computed + request.rows, rows);
  } else {
    budget.load.add_prefill(request.computed + request.rows, rows);
  }
  budget.rows -= rows;
  request.rows += static_cast<int>(rows);
  request.planned = true;
}

void Scheduler::Impl::plan_decodes(Budget& budget) {
  const int floor =
      prefill_work() ? std::min(config.prefill_tokens_min, config.step_tokens_max / 2) : 0;
  const std::vector<Request*> all = running.requests();  // preemption changes the queue
  for (Request* request : all) {
    if (request->state != RequestState::kRunning || !request->decodes()) continue;
    if (budget.rows <= floor) return;
    const auto before = current.preempted.size();
    const bool room = make_room(*request, request->computed + 1);
    budget.tight |= !room || current.preempted.size() > before;
    if (room) add_rows(budget, *request, 1);
  }
}

// Drafts take only what is left: rows, pages that nobody runs on, and time.
void Scheduler::Impl::plan_drafts(Budget& budget) {
  const int floor = prefill_work() ? config.prefill_tokens_min : 0;
  for (Request* request : running.requests()) {
    if (!request->planned || request->drafts.empty()) continue;
    const std::int64_t wanted = std::min(
        {static_cast<std::int64_t>(config.drafts_max),
         static_cast<std::int64_t>(request->drafts.size()),
         request->input.new_tokens_max - request->output_tokens() - 1, budget.rows - floor});
    if (wanted <= 0) continue;
    const std::int64_t first = request->computed + 1;
    const std::int64_t room = cache.grow(request->sequence, first + wanted) - first;
    for (std::int64_t draft = 0; draft < room; ++draft) {
      StepLoad more = budget.load;
      more.add_decode(first + draft, 1);
      if (config.debug_chunk_tokens == 0 && cost.predict_seconds(more) > budget.seconds) break;
      budget.load = more;
      --budget.rows;
      ++request->rows;
      ++request->draft_rows;
    }
  }
}

// The rows that `request` gets now: its share of the time that is left, but the step's floor in
// any case.
std::int64_t Scheduler::Impl::prefill_rows(const Budget& budget, const Request& request) const {
  const std::int64_t wanted = request.pending() - request.rows;
  if (config.debug_chunk_tokens > 0) {
    const std::int64_t chunk = std::min<std::int64_t>(
        {config.debug_chunk_tokens - request.rows, wanted, config.step_tokens_max});
    return chunk <= budget.rows ? chunk : 0;
  }
  const std::int64_t most = std::min(wanted, budget.rows);
  const double left = budget.seconds - cost.predict_seconds(budget.load);
  const std::int64_t share =
      cost.tokens_within(left / std::max(1, budget.parties), request.computed + request.rows, most);
  const std::int64_t floor = std::min(
      most, std::max<std::int64_t>(1, config.prefill_tokens_min) - budget.load.prefill_tokens);
  return std::max(share, floor);
}

void Scheduler::Impl::plan_prefills(Budget& budget) {
  const std::vector<Request*> all = running.requests();
  for (const Request* it : all) budget.parties += it->decodes() ? 0 : 1;
  if (!waiting.empty() && running.size() < config.sequences_max) ++budget.parties;
  for (Request* request : all) {
    if (request->state != RequestState::kRunning || request->planned || request->decodes())
      continue;
    const std::int64_t rows = prefill_rows(budget, *request);
    --budget.parties;
    if (rows <= 0) continue;
    const auto before = current.preempted.size();
    const bool room = make_room(*request, request->computed + 1);
    budget.tight |= !room || current.preempted.size() > before;
    if (!room) continue;
    const std::int64_t end = cache.grow(request->sequence, request->computed + rows);
    add_rows(budget, *request, end - request->computed);
  }
}

// Waiting requests by rank. Some that do not fit are passed over, but none is passed over for ever.
void Scheduler::Impl::admit(Budget& budget) {
  constexpr int kBypassedMax = 64;
  std::vector<Request*> passed;
  const std::vector<Request*> all = waiting.requests();
  budget.parties = 1;
  for (Request* request : all) {
    if (budget.tight || running.size() >= config.sequences_max) return;
    // A new sequence in a step that has no time left for a useful chunk would only hold pages.
    const std::int64_t useful = std::min<std::int64_t>(
        {config.prefill_tokens_min, config.step_tokens_max / 2, request->pending()});
    const std::int64_t least =
        config.debug_chunk_tokens > 0 ? 1 : std::max<std::int64_t>(1, useful);
    if (prefill_rows(budget, *request) < least) return;
    switch (try_admit(budget, *request)) {
      case Try::kAdmitted:
        for (Request* before : passed) ++before->bypassed;
        break;
      case Try::kHeld:
        break;
      case Try::kNoRoom:
        passed.push_back(request);
        if (request->bypassed >= kBypassedMax) return;
        if (std::ssize(passed) > config.look_past_max) return;
        break;
    }
  }
}

// Time that nobody else wanted.
void Scheduler::Impl::extend_prefills(Budget& budget) {
  budget.parties = 1;
  for (Request* request : running.requests()) {
    if (!request->planned || request->decodes() || request->rows >= request->pending()) continue;
    const std::int64_t rows = prefill_rows(budget, *request);
    if (rows <= 0) continue;
    const std::int64_t begin = request->computed + request->rows;
    const std::int64_t end = cache.grow(request->sequence, begin + rows);
    if (end > begin) add_rows(budget, *request, end - begin);
  }
}

ScheduledSequence Scheduler::Impl::scheduled(Request& request, StepLoad& load) {
  int drafts = request.draft_rows;
  const std::span<const StateSaveOrder> saves =
      cache.plan_saves(request.sequence, request.rows, drafts);
  request.rows -= request.draft_rows - drafts;
  request.draft_rows = drafts;
  const std::int64_t fixed = request.rows - drafts;
  if (request.decodes()) {
    load.add_decode(request.computed, request.rows);
  } else {
    load.add_prefill(request.computed, request.rows);
  }
  ScheduledSequence sequence;
  sequence.id = request.input.id;
  sequence.position = request.computed;
  sequence.token_count = request.rows;
  sequence.draft_count = drafts;
  sequence.samples = fixed == request.pending() && request.input.new_tokens_max > 0;
  if (drafts == 0) {
    sequence.tokens =
        std::span(request.tokens)
            .subspan(static_cast<std::size_t>(request.computed), static_cast<std::size_t>(fixed));
  } else {
    request.row_tokens.assign(request.tokens.begin() + request.computed, request.tokens.end());
    request.row_tokens.insert(request.row_tokens.end(), request.drafts.begin(),
                              request.drafts.begin() + drafts);
    sequence.tokens = request.row_tokens;
  }
  sequence.page_tables = cache.page_tables(request.sequence);
  sequence.state_slot = cache.state_slot(request.sequence);
  sequence.state_saves = saves;
  return sequence;
}

void Scheduler::Impl::finish_plan() {
  planned_load = {};
  for (const bool decodes : {true, false}) {
    for (Request* request : running.requests()) {
      if (!request->planned || request->decodes() != decodes) continue;
      current.sequences.push_back(scheduled(*request, planned_load));
      current.token_count += request->rows;
    }
  }
  current.page_copies.swap(orders.page_copies);
  current.state_copies.swap(orders.state_copies);
  current.state_zeros.swap(orders.state_zeros);
  current.predicted = from_seconds(cost.predict_seconds(planned_load));
}

const StepPlan& Scheduler::plan(Time now) {
  Impl& it = *impl_;
  CHECK(!it.in_step, "step {} was not committed", it.current.number);
  it.in_step = true;
  StepPlan& plan = it.current;
  plan.number = ++it.counters.steps;
  plan.sequences.clear();
  plan.page_copies.clear();
  plan.state_copies.clear();
  plan.state_zeros.clear();
  plan.expired.clear();
  plan.preempted.clear();
  plan.token_count = 0;
  it.orders.clear();
  for (Request* request : it.running.requests()) {
    request->planned = false;
    request->rows = request->draft_rows = 0;
  }

  Impl::Budget budget;
  budget.rows = it.config.step_tokens_max;
  it.expire(now);
  it.debug_preempt();
  it.secure_senior(budget);
  it.plan_decodes(budget);
  const bool is_prefill_only = budget.load.decode_rows == 0;
  const Time target = is_prefill_only ? it.config.prefill_only_target : it.config.step_target;
  budget.seconds = to_seconds(target);
  it.plan_drafts(budget);
  it.plan_prefills(budget);
  it.admit(budget);
  it.extend_prefills(budget);
  it.finish_plan();
  it.current.target = target;
  return plan;
}

}  // namespace quire::scheduler
