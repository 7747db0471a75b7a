// The public face of the scheduler: submission, cancellation, questions.
#include "scheduler/scheduler.h"

#include <algorithm>

#include "base/check.h"
#include "scheduler/scheduler_impl.h"

namespace quire::scheduler {

Scheduler::Scheduler(const SchedulerConfig& config, cache::CacheManager& cache)
    : impl_(std::make_unique<Impl>(config, cache)) {
  CHECK(config.sequences_max > 0 && config.step_tokens_max > 0, "{} sequences, {} rows",
        config.sequences_max, config.step_tokens_max);
}
Scheduler::~Scheduler() = default;

Request* Scheduler::Impl::find(RequestId id) const {
  const auto at = requests.find(id);
  return at == requests.end() ? nullptr : at->second.get();
}

void Scheduler::Impl::retire(Request* request, RequestState state) {
  request->enter(state);
  const auto at = requests.find(request->input.id);
  retired.push_back(std::move(at->second));
  requests.erase(at);
}

Status Scheduler::Impl::check_limits(const NewRequest& request) const {
  const std::int64_t prompt = std::ssize(request.prompt);
  if (prompt == 0) return fail_at("prompt", ErrorCode::kInvalid, "the prompt has no token");
  if (request.new_tokens_max < 0) {
    return fail_at("max_tokens", ErrorCode::kInvalid, "max_tokens {} is below 0",
                   request.new_tokens_max);
  }
  const std::int64_t total = prompt + request.new_tokens_max;
  if (config.context_max > 0 && total > config.context_max) {
    return fail(ErrorCode::kInvalid,
                "prompt of {} tokens plus max_tokens {} is {}, the context holds {}", prompt,
                request.new_tokens_max, total, config.context_max);
  }
  const std::int64_t computed = prompt + std::max<std::int64_t>(0, request.new_tokens_max - 1);
  if (!cache.fits_empty(computed)) {
    return fail(ErrorCode::kInvalid, "prompt of {} tokens plus max_tokens {}: {}", prompt,
                request.new_tokens_max, "more than the whole key-value memory holds");
  }
  if (waiting.size() >= config.waiting_max) {
    return fail(ErrorCode::kOverloaded, "{} requests wait, the limit is {}", waiting.size(),
                config.waiting_max);
  }
  if (waiting.tokens() + prompt > config.waiting_tokens_max) {
    return fail(ErrorCode::kOverloaded, "{} tokens wait, {} more would pass the limit {}",
                waiting.tokens(), prompt, config.waiting_tokens_max);
  }
  return {};
}

Status Scheduler::submit(NewRequest request) {
  QUIRE_TRY(impl_->check_limits(request));
  CHECK(impl_->find(request.id) == nullptr, "request {} was submitted twice", request.id);
  auto made = std::make_unique<Request>();
  made->rank = rank_of(request, impl_->config.ageing, impl_->serial++);
  made->tokens = std::move(request.prompt);
  made->prompt_tokens = made->known();
  made->trace.arrival = request.arrival;
  made->trace.prompt_tokens = made->prompt_tokens;
  made->input = std::move(request);
  impl_->waiting.insert(made.get());
  impl_->requests.emplace(made->input.id, std::move(made));
  return {};
}

bool Scheduler::cancel(RequestId id) {
  Request* request = impl_->find(id);
  if (request == nullptr || request->cancelled) return false;
  if (request->state == RequestState::kRunning) {
    if (impl_->in_step) {
      request->cancelled = true;
      return true;
    }
    impl_->running.erase(request);
    impl_->cache.release(request->sequence, request->tokens);
    request->sequence = -1;
  } else {
    impl_->waiting.erase(request);
  }
  impl_->retire(request, RequestState::kCancelled);
  return true;
}

void Scheduler::set_drafts(RequestId id, std::vector<std::int32_t> drafts) {
  CHECK(!impl_->in_step, "drafts for request {} inside a step", id);
  if (Request* request = impl_->find(id); request != nullptr) request->drafts = std::move(drafts);
}

std::span<const std::int32_t> Scheduler::tokens(RequestId id) const {
  if (const Request* request = impl_->find(id); request != nullptr) return request->tokens;
  for (const auto& request : impl_->retired) {
    if (request->input.id == id) return request->tokens;
  }
  return {};
}

std::optional<RequestTrace> Scheduler::trace(RequestId id) const {
  if (const Request* request = impl_->find(id); request != nullptr) return request->trace;
  for (const auto& request : impl_->retired) {
    if (request->input.id == id) return request->trace;
  }
  return std::nullopt;
}

Scheduler::Standing Scheduler::standing(RequestId id) const {
  const Request* request = impl_->find(id);
  return request == nullptr ? Standing{} : Standing{request->sequence, request->computed};
}

bool Scheduler::has_work() const { return !impl_->requests.empty(); }

Time Scheduler::next_deadline() const {
  Time earliest = kNoDeadline;
  for (const auto& [id, request] : impl_->requests) {
    earliest = std::min(earliest, request->input.deadline);
  }
  return earliest;
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats = impl_->counters;
  stats.running = impl_->running.size();
  stats.waiting = impl_->waiting.size();
  stats.waiting_tokens = impl_->waiting.tokens();
  return stats;
}

void Scheduler::check_invariants() const { impl_->check_invariants(); }

void Scheduler::Impl::check_invariants() const {
  cache.check_invariants();
  CHECK(waiting.size() + running.size() == static_cast<int>(requests.size()),
        "{} waiting, {} running, {} known", waiting.size(), running.size(), requests.size());
  CHECK(running.size() <= config.sequences_max, "{} of {} sequences run", running.size(),
        config.sequences_max);
  for (const Request* it : waiting.requests()) {
    CHECK(it->state == RequestState::kWaiting && it->sequence < 0 && it->computed == 0,
          "request {} waits with sequence {} and {} computed tokens", it->input.id, it->sequence,
          it->computed);
  }
  for (const Request* it : running.requests()) {
    CHECK(it->state == RequestState::kRunning && it->sequence >= 0, "request {} is {}",
          it->input.id, name(it->state));
    CHECK(it->computed < it->known(), "request {} computed {} of {} tokens", it->input.id,
          it->computed, it->known());
  }
}

}  // namespace quire::scheduler
