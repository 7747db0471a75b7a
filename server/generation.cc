// A task's state belongs to the I/O thread of its connection; the engine's outputs are posted
// there.
#include "server/generation.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <utility>

#include "base/log.h"
#include "server/answer_meaning.h"
#include "server/dialects.h"
#include "server/embeddings.h"
#include "server/http_writer.h"
#include "server/ids.h"
#include "server/prompt_batch.h"
#include "server/rerank.h"
#include "server/sse_writer.h"

namespace quire::server {

using engine::FinishReason;

namespace {

ApiError shutting_down() { return {kUnavailable, "the server is shutting down", "", {}}; }

}  // namespace

// One request from submission to its last byte. Invariants: every choice finishes exactly once,
// also after a hang-up (the engine says so); at most one answer is given.
class GenerationTask : public std::enable_shared_from_this<GenerationTask> {
 public:
  GenerationTask(GenerationService& service, ExchangePtr exchange, GenerationPlan plan)
      : service_(service),
        engine_(*service.backend_.engine),
        exchange_(std::move(exchange)),
        plan_(std::move(plan)),
        answer_id_(random_id()),
        writer_(plan_.make_writer(plan_, engine_, answer_id_)),
        choices_(plan_.prompts.size() * static_cast<std::size_t>(plan_.n)),
        last_token_at_(choices_.size(), Time::zero()),
        kept_(choices_.size()) {}

  // Worker thread. When it fails, fail() must follow: it cancels the prompts that were admitted,
  // after the answer, so that their abort cannot become the answer.
  tl::expected<void, ApiError> submit();
  void begin();
  const ExchangePtr& exchange() const { return exchange_; }
  const std::string& answer_id() const { return answer_id_; }  // without its prefix
  // Any thread.
  Json describe(Time now) const;
  // At its own pace, which counts the more the more tokens it has: before its second token at
  // step_seconds a token.
  Outlook outlook(Time now, double step_seconds) const;
  // I/O thread.
  void fail(const ApiError& error);

 private:
  void on_output(std::size_t prompt_idx, engine::Output output, Time at);
  void observe_tokens(std::size_t index, const engine::Output& output, Time at);
  void observe_finish(std::size_t index, std::size_t prompt_idx);
  void deliver(std::size_t index, engine::Output output);
  void send(std::size_t index, const engine::Output& output);
  void release_held();
  bool gather(std::size_t index, engine::Output& output);
  void collect(std::size_t index, engine::Output output);
  void answer_if_complete();
  void cancel_all();

  struct Held {
    std::size_t index;
    engine::Output output;
  };

  GenerationService& service_;
  engine::Engine& engine_;
  ExchangePtr exchange_;
  GenerationPlan plan_;
  const std::string answer_id_;
  std::unique_ptr<AnswerWriter> writer_;
  std::vector<ChoiceState> choices_;
  std::vector<Time> last_token_at_;
  std::vector<std::optional<engine::Output>> kept_;  // of a choice: too little to be sent yet
  std::vector<engine::RequestId> ids_;
  std::deque<Held> held_;  // came before begin(), or while the client was slow
  std::atomic<std::int64_t> generated_{0};
  std::atomic<Time> first_token_at_{Time::zero()};
  std::size_t finished_ = 0;
  bool begun_ = false;
  bool answered_ = false;
};

tl::expected<void, ApiError> GenerationTask::submit() {
  for (std::size_t i = 0; i < plan_.prompts.size(); ++i) {
    auto sink = [self = shared_from_this(), i](engine::Output&& output) {
      const Time at = SteadyClock().now();
      self->exchange_->post([self, i, at, output = std::move(output)]() mutable {
        self->on_output(i, std::move(output), at);
      });
    };
    auto id = engine_.submit(std::move(plan_.prompts[i].request), std::move(sink));
    if (!id) {
      return tl::unexpected(
          service_.refusal(id.error(), {plan_.n, plan_.prompts[i].prompt_tokens}, this));
    }
    ids_.push_back(*id);
    service_.own(this, *id);
  }
  return {};
}

void GenerationTask::begin() {
  exchange_->post([self = shared_from_this()] {
    if (self->answered_) return;
    if (self->plan_.stream) self->exchange_->begin_stream(sse_head());
    self->begun_ = true;
    self->exchange_->on_hang_up([self] {
      self->answered_ = true;
      self->held_.clear();
      self->cancel_all();
    });
    self->release_held();
  });
}

Json GenerationTask::describe(Time now) const {
  std::int64_t prompt_tokens = 0;
  std::int64_t max_tokens = 0;
  for (const PromptPlan& prompt : plan_.prompts) {
    prompt_tokens += prompt.prompt_tokens;
    max_tokens += prompt.max_tokens * plan_.n;
  }
  Json out = Json::object();
  out["id"] = exchange_->request_id;
  out["object"] = "request";
  out["path"] = exchange_->request.path;
  out["model"] = plan_.model;
  out["stream"] = plan_.stream;
  out["choices"] = choices_.size();
  out["prompt_tokens"] = prompt_tokens;
  out["generated_tokens"] = generated_.load();
  out["max_tokens"] = max_tokens;
  out["state"] = generated_ > 0 ? "generating" : "waiting";
  out["age_ms"] = to_seconds(now - exchange_->arrival) * 1e3;
  return out;
}

Outlook GenerationTask::outlook(Time now, double step_seconds) const {
  Outlook out;
  out.leaves.choices = static_cast<std::int64_t>(choices_.size());
  std::int64_t length = 0;
  for (const PromptPlan& prompt : plan_.prompts) {
    out.leaves.prompt_tokens += prompt.prompt_tokens;
    length = std::max(length, prompt.max_tokens);
  }
  const double made =
      static_cast<double>(generated_.load()) / static_cast<double>(out.leaves.choices);
  const double age = made > 1 ? to_seconds(now - first_token_at_.load()) : 0;
  // As if some tokens more had come at the pace of a step each.
  constexpr double kTokensBefore = 16;
  const double pace =
      (age + kTokensBefore * step_seconds) / (made > 1 ? made + kTokensBefore : kTokensBefore);
  out.seconds_left = std::max(0.0, static_cast<double>(length) - made) * pace;
  return out;
}

void GenerationTask::cancel_all() {
  for (const engine::RequestId id : ids_) engine_.cancel(id);
}

void GenerationTask::on_output(std::size_t prompt_idx, engine::Output output, Time at) {
  const std::size_t index =
      prompt_idx * static_cast<std::size_t>(plan_.n) + static_cast<std::size_t>(output.choice);
  ChoiceState& state = choices_[index];
  if (state.finish != FinishReason::kNone) return;
  observe_tokens(index, output, at);
  if (output.finish != FinishReason::kNone) {
    state.finish = output.finish;
    state.stop_reason = output.stop_reason;
    state.stop_token_id = output.stop_token_id;
    state.usage = output.usage;
    state.timings = output.timings;
    ++finished_;
    observe_finish(index, prompt_idx);
  }
  if (finished_ == choices_.size()) service_.forget(this);
  if (answered_) return;
  if (output.finish == FinishReason::kError) {
    fail(api_error(output.error));
  } else if (output.finish == FinishReason::kAbort) {
    fail(ApiError{kUnavailable, "the request was ended by the server"});
  } else if (output.finish == FinishReason::kTimeout && state.token_count == 0 && !plan_.stream) {
    fail(ApiError{kDeadline, "the deadline passed before the first token"});
  } else {
    deliver(index, std::move(output));
  }
}

void GenerationTask::observe_tokens(std::size_t index, const engine::Output& output, Time at) {
  const auto count = static_cast<std::int64_t>(output.tokens.size());
  if (count == 0) return;
  ChoiceState& state = choices_[index];
  if (state.token_count == 0) {
    if (generated_ == 0) first_token_at_ = at;
    service_.metrics_.observe_first_token(to_seconds(at - exchange_->arrival));
    if (count > 1) service_.metrics_.observe_inter_token(0, count - 1);
  } else {
    service_.metrics_.observe_inter_token(to_seconds(at - last_token_at_[index]), count);
  }
  last_token_at_[index] = at;
  state.token_count += count;
  generated_ += count;
}

void GenerationTask::observe_finish(std::size_t index, std::size_t prompt_idx) {
  const ChoiceState& state = choices_[index];
  service_.metrics_.observe_choice({state.finish, state.usage, state.timings, exchange_->arrival});
  const auto n = static_cast<std::size_t>(plan_.n);
  const auto begin = choices_.begin() + static_cast<std::ptrdiff_t>(prompt_idx * n);
  const auto end = begin + plan_.n;
  const bool complete = std::all_of(
      begin, end, [](const ChoiceState& choice) { return choice.finish != FinishReason::kNone; });
  const std::int64_t left = complete ? plan_.prompts[prompt_idx].prompt_tokens : 0;
  service_.finish_rate_.observe(left, SteadyClock().now());
  if (!complete) return;
  FinishedPrompt prompt;
  prompt.prompt_tokens = plan_.prompts[prompt_idx].prompt_tokens;
  prompt.cached_tokens = begin->usage.cached_tokens;
  prompt.max_tokens = plan_.prompts[prompt_idx].max_tokens;
  prompt.n = plan_.n;
  for (auto it = begin; it != end; ++it) {
    prompt.generation_tokens_max =
        std::max(prompt.generation_tokens_max, it->usage.completion_tokens);
  }
  service_.metrics_.observe_prompt(prompt);
}

void GenerationTask::deliver(std::size_t index, engine::Output output) {
  if (!plan_.stream) {
    collect(index, std::move(output));
    return;
  }
  if (!gather(index, output)) return;
  held_.push_back({index, std::move(output)});
  if (begun_) release_held();
}

// True when `output`, with what was kept back before it, is to be sent: the first token at once,
// then at least stream_interval tokens together.
bool GenerationTask::gather(std::size_t index, engine::Output& output) {
  if (plan_.stream_interval <= 1) return true;
  std::optional<engine::Output>& kept = kept_[index];
  if (kept) {
    kept->text += output.text;
    std::move(output.tokens.begin(), output.tokens.end(), std::back_inserter(kept->tokens));
    output.text = std::move(kept->text);
    output.tokens = std::move(kept->tokens);
    kept.reset();
  }
  const auto count = static_cast<std::int64_t>(output.tokens.size());
  const bool first = choices_[index].token_count == count;
  const bool ready = first || output.finish != FinishReason::kNone ||
                     !output.prompt_tokens.empty() || count >= plan_.stream_interval;
  if (!ready) kept = std::move(output);
  return ready;
}

void GenerationTask::collect(std::size_t index, engine::Output output) {
  ChoiceState& state = choices_[index];
  const Meaning meaning = meaning_of(plan_, output, state);
  state.answer.apply(meaning.events);
  writer_->note({index, &output, &meaning.events, meaning.content});
  if (!output.prompt_tokens.empty()) state.prompt_tokens = std::move(output.prompt_tokens);
  if (plan_.logprobs >= 0 || plan_.return_token_ids) {
    std::move(output.tokens.begin(), output.tokens.end(), std::back_inserter(state.tokens));
  }
  answer_if_complete();
}

void GenerationTask::answer_if_complete() {
  if (!begun_ || answered_ || finished_ < choices_.size()) return;
  answered_ = true;
  HttpResponse response;
  response.body = writer_->whole(choices_);
  exchange_->respond(std::move(response));
}

// While a slow client has too much to read, outputs wait unformatted; the connection ends it when
// that lasts.
void GenerationTask::release_held() {
  if (!plan_.stream) {
    answer_if_complete();
    return;
  }
  while (!held_.empty() && !answered_) {
    if (exchange_->backlogged()) {
      exchange_->on_drained([self = shared_from_this()] { self->release_held(); });
      return;
    }
    const Held held = std::move(held_.front());
    held_.pop_front();
    send(held.index, held.output);
  }
}

void GenerationTask::send(std::size_t index, const engine::Output& output) {
  if (!output.prompt_tokens.empty()) choices_[index].prompt_tokens = output.prompt_tokens;
  const Meaning meaning = meaning_of(plan_, output, choices_[index]);
  choices_[index].answer.apply(meaning.events);
  std::string bytes = writer_->piece({index, &output, &meaning.events, meaning.content}, choices_);
  const bool last = finished_ == choices_.size() && held_.empty();
  if (!last) {
    exchange_->write(bytes);
    return;
  }
  bytes += writer_->stream_end(choices_);
  answered_ = true;
  exchange_->end(bytes);
}

void GenerationTask::fail(const ApiError& error) {
  if (answered_) return;
  answered_ = true;
  held_.clear();
  if (begun_ && plan_.stream) {
    exchange_->end(writer_->stream_error(error));
  } else {
    exchange_->respond(error_response(error));
  }
  cancel_all();
}

GenerationService::GenerationService(const Backend& backend, const RequestPolicy& policy,
                                     Metrics& metrics)
    : backend_(backend), policy_(policy), metrics_(metrics) {}

GenerationService::~GenerationService() = default;

bool GenerationService::remember(const std::shared_ptr<GenerationTask>& task) {
  const std::lock_guard lock(mutex_);
  if (!cut_off_) tasks_.insert(task);
  return !cut_off_;
}

void GenerationService::forget(const GenerationTask* task) {
  const std::lock_guard lock(mutex_);
  std::erase_if(tasks_, [task](const auto& known) { return known.get() == task; });
  std::erase_if(owners_, [task](const auto& entry) { return entry.second == task; });
}

void GenerationService::own(const GenerationTask* task, engine::RequestId id) {
  const std::lock_guard lock(mutex_);
  const bool known = std::any_of(tasks_.begin(), tasks_.end(),
                                 [task](const auto& other) { return other.get() == task; });
  if (known) owners_[id] = task;
}

std::string GenerationService::request_id_of(engine::RequestId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(id);
  return found == owners_.end() ? std::string() : found->second->exchange()->request_id;
}

ApiError GenerationService::refusal(const Error& error, const Excess& wanted,
                                    const GenerationTask* asking) const {
  ApiError out = api_error(error);
  if (error.code != ErrorCode::kOverloaded) return out;
  const engine::EngineStats stats = backend_.engine->stats();
  const std::int64_t open = stats.running + stats.waiting;
  const Excess excess{std::max<std::int64_t>(0, open + wanted.choices - policy_.choices_max),
                      std::max<std::int64_t>(0, stats.open_prompt_tokens + wanted.prompt_tokens -
                                                    policy_.prompt_tokens_max)};
  const Time now = SteadyClock().now();
  std::vector<Outlook> running;
  {
    const std::lock_guard lock(mutex_);
    std::unordered_set<const GenerationTask*> admitted;
    for (const auto& [id, task] : owners_) {
      if (task != asking && admitted.insert(task).second) {
        running.push_back(task->outlook(now, stats.step_seconds));
      }
    }
  }
  // Requests may end before their limit, as those that ended before them tell.
  double seconds = seconds_until_freed(std::move(running), excess);
  const double as_before = finish_rate_.seconds_until(excess, now);
  if (as_before >= 0) seconds = std::min(seconds, as_before);
  out.retry_after_s = retry_after_seconds(seconds);
  return out;
}

HttpResponse GenerationService::list() const {
  Json data = Json::array();
  const Time now = SteadyClock().now();
  {
    const std::lock_guard lock(mutex_);
    for (const std::shared_ptr<GenerationTask>& task : tasks_) data.push_back(task->describe(now));
  }
  HttpResponse response;
  response.body = dump_json({{"object", "list"}, {"data", std::move(data)}});
  return response;
}

std::size_t GenerationService::cancel(const std::string& request_id) {
  return cancel_where(
      [&](const GenerationTask& task) { return task.exchange()->request_id == request_id; },
      "the request was cancelled through /v1/requests");
}

bool GenerationService::cancel_response(std::string_view id) {
  return cancel_where(
             [&](const GenerationTask& task) {
               return id == fmt::format("resp_{}", task.answer_id());
             },
             "the response was cancelled") > 0;
}

std::size_t GenerationService::cancel_where(const std::function<bool(const GenerationTask&)>& is_it,
                                            const std::string& why) {
  std::size_t count = 0;
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<GenerationTask>& task : tasks_) {
    if (!is_it(*task)) continue;
    ++count;
    task->exchange()->post([task, why] { task->fail({kCancelled, why}); });
  }
  return count;
}

void GenerationService::run_pooling(Endpoint endpoint, const ExchangePtr& exchange) const {
  const std::string& body = exchange->request.body;
  auto batch = endpoint == kEmbeddings ? plan_embeddings(body, backend_, policy_)
                                       : plan_ranking(endpoint, body, backend_, policy_);
  if (!batch) {
    exchange->post([exchange, error = batch.error()] { exchange->respond(error_response(error)); });
    return;
  }
  batch->refuse = [this](const Error& error, const engine::GenerateRequest& request) {
    return refusal(error, {1, static_cast<std::int64_t>(request.prompt.size())}, nullptr);
  };
  run_prompt_batch(*backend_.engine, exchange, std::move(*batch));
}

void GenerationService::run(Endpoint endpoint, const ExchangePtr& exchange) {
  auto plan = plan_dialect(endpoint, exchange->request.body, backend_, policy_, responses_);
  if (!plan) {
    exchange->post([exchange, error = plan.error()] { exchange->respond(error_response(error)); });
    return;
  }
  exchange->request.body = {};
  // The header's id is the exchange's already.
  if (accepted_request_id(exchange->request)) {
    plan->request_id = exchange->request_id;
  } else if (is_request_id(plan->request_id)) {
    exchange->request_id = plan->request_id;
  } else {
    plan->request_id.clear();
  }
  plan->arrival = exchange->arrival;
  metrics_.observe_unknown_fields(plan->warnings.size());
  for (const std::string& warning : plan->warnings) log(LogLevel::kDebug, "{}", warning);
  const auto task = std::make_shared<GenerationTask>(*this, exchange, std::move(*plan));
  if (!remember(task)) {
    exchange->post([task] { task->fail(shutting_down()); });
    return;
  }
  if (const auto submitted = task->submit(); !submitted) {
    forget(task.get());
    exchange->post([task, error = submitted.error()] { task->fail(error); });
    return;
  }
  task->begin();
}

void GenerationService::cut_off() {
  const std::lock_guard lock(mutex_);
  cut_off_ = true;
  for (const std::shared_ptr<GenerationTask>& task : tasks_) {
    task->exchange()->post([task] { task->fail(shutting_down()); });
  }
}

}  // namespace quire::server
