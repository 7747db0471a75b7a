// The numbered step of docs/ARCHITECTURE.md, phase by phase.
#include "engine/step_loop.h"

#include <algorithm>

#include "base/check.h"

namespace quire::engine {
namespace {

// More rows than this are only needed for prompt logprobs; their memory is given back.
constexpr int kLogitRowsKept = 128;

Time deadline_of(Time arrival, Time timeout) {
  return timeout >= scheduler::kNoDeadline - arrival ? scheduler::kNoDeadline : arrival + timeout;
}

std::int64_t length_max_of(const GenerateRequest& request) {
  return static_cast<std::int64_t>(request.prompt.size()) + request.sampling.max_tokens;
}

int latest_bound(int tokens) {
  int bucket = 0;
  for (const int bound : kStepTokenBounds) {
    if (tokens <= bound) return bucket;
    ++bucket;
  }
  return bucket;
}

}  // namespace

StepLoop::StepLoop(const StepLoopConfig& config, const StepLoopParts& parts, ChoiceContext context)
    : config_(config),
      runner_(parts.runner),
      clock_(parts.clock),
      scheduler_(parts.scheduler),
      cache_(parts.cache),
      store_(parts.store),
      drafters_(parts.drafters),
      context_(std::move(context)),
      scratch_(static_cast<std::size_t>(parts.runner->threads())) {
  stats_.accepted_per_position.assign(static_cast<std::size_t>(config.draft_tokens_max), 0);
  stats_.drafted_per_position = stats_.accepted_per_position;
  stats_.step_tokens_histogram.assign(std::size(kStepTokenBounds) + 1, 0);
}

// --- requests -----------------------------------------------------------------------------------

Status StepLoop::submit(RequestId id, GenerateRequest request, OutputSink sink, Time arrival) {
  CHECK(!request.prompt.empty() && request.n >= 1, "request {} was not validated", id);
  auto live = std::make_shared<LiveRequest>();
  live->id = id;
  live->request = std::move(request);
  live->sink = std::move(sink);
  live->arrival = arrival;
  live->open_choices = live->request.n;
  QUIRE_TRY(submit_choices(live));
  live_[id] = live;
  for (int i = 0; i < live->request.n; ++i) {
    auto choice = std::make_unique<Choice>(context_, live, i);
    for (Drafter* drafter : drafters_) {
      drafter->begin(choice->scheduler_id(), live->request.predicted);
    }
    const RequestId scheduler_id = choice->scheduler_id();
    choices_[scheduler_id] = std::move(choice);
  }
  stats_.prompt_tokens += live->request.prompt.size();
  return {};
}

Status StepLoop::submit_choices(const std::shared_ptr<LiveRequest>& live) {
  const GenerateRequest& request = live->request;
  for (int i = 0; i < request.n; ++i) {
    scheduler::NewRequest added;
    added.id = live->id + static_cast<RequestId>(i);
    added.prompt = request.prompt;
    added.new_tokens_max = request.sampling.max_tokens;
    added.priority = request.priority;
    added.arrival = live->arrival;
    added.deadline = deadline_of(live->arrival, request.timeout);
    const int length_class = runner_->length_class(length_max_of(request));
    if (!request.cache_salt.empty() || length_class > 0) {
      added.cache_namespace =
          Hasher().add(request.cache_salt).add(static_cast<std::uint64_t>(length_class)).digest();
    }
    added.read_prefix_cache =
        (request.sampling.prompt_logprobs < 0 || i > 0) && !Pooler::reads_all(request.pooling);
    if (Status accepted = scheduler_->submit(std::move(added)); !accepted) {
      while (--i >= 0) scheduler_->cancel(live->id + static_cast<RequestId>(i));
      return accepted;
    }
  }
  return {};
}

void StepLoop::end_choice(RequestId scheduler_id, FinishReason finish) {
  const auto found = choices_.find(scheduler_id);
  if (found == choices_.end()) return;
  const auto trace = scheduler_->trace(scheduler_id).value_or(scheduler::RequestTrace{});
  scheduler_->cancel(scheduler_id);
  Choice& choice = *found->second;
  deliver(choice, choice.end(finish), trace, clock_->now());
}

bool StepLoop::cancel(RequestId id) {
  const auto found = live_.find(id);
  if (found == live_.end()) return false;
  const std::shared_ptr<LiveRequest> live = found->second;
  for (int i = 0; i < live->request.n; ++i) {
    end_choice(id + static_cast<RequestId>(i), FinishReason::kAbort);
  }
  return true;
}

void StepLoop::cancel_all() {
  while (!live_.empty()) cancel(live_.begin()->first);
}

void StepLoop::deliver(Choice& choice, Output&& output, const scheduler::RequestTrace& trace,
                       Time now) {
  const std::shared_ptr<LiveRequest> live = choice.shared_live();
  if (output.finish != FinishReason::kNone) {
    const RequestId scheduler_id = choice.scheduler_id();
    choice.close(output, trace, now);
    recorder_.finish(choice, output);
    if (choice.index() == 0) {
      stats_.cached_prompt_tokens += static_cast<std::uint64_t>(trace.cached_tokens);
    }
    for (Drafter* drafter : drafters_) drafter->release(scheduler_id);
    proposers_.erase(scheduler_id);
    choices_.erase(scheduler_id);
    if (--live->open_choices == 0) live_.erase(live->id);
  }
  live->sink(std::move(output));
}

// --- the step -----------------------------------------------------------------------------------

bool StepLoop::step() {
  const Time begin = clock_->now();
  const scheduler::StepPlan& plan = scheduler_->plan(begin);
  report_expired(plan);
  build_batch(plan);
  const Time planned = clock_->now();
  forward(plan);
  const Time computed = clock_->now();
  draw_all(plan);
  const Time now = clock_->now();
  conclude(plan, now);
  scheduler_->commit(results_, now - begin, now);
  const Time committed = clock_->now();
  emit_all(plan, now);
  propose(plan);
  count_step(plan, now - begin);
  recorder_.step(stats_.steps, plan, results_,
                 {begin, planned, computed, now, committed, clock_->now()});
  return !plan.sequences.empty() || !plan.expired.empty();
}

void StepLoop::report_expired(const scheduler::StepPlan& plan) {
  for (const RequestId id : plan.expired) end_choice(id, FinishReason::kTimeout);
}

void StepLoop::build_batch(const scheduler::StepPlan& plan) {
  batch_.clear();
  sampled_.clear();
  for (const scheduler::ScheduledSequence& sequence : plan.sequences) {
    const auto found = choices_.find(sequence.id);
    CHECK(found != choices_.end(), "the plan has the unknown request {}", sequence.id);
    Choice& choice = *found->second;
    RowWish wish;
    wish.length_max = length_max_of(choice.live().request);
    wish.draws = sequence.samples && choice.params().max_tokens > 0;
    const auto pooled = choice.pooler().wanted(sequence.position, sequence.token_count);
    wish.hidden_begin = static_cast<int>(pooled.begin - sequence.position);
    wish.hidden_count = static_cast<int>(pooled.end - pooled.begin);
    if (choice.scores_prompt()) {
      const auto prompt = static_cast<std::int64_t>(choice.live().request.prompt.size());
      const std::int64_t begin = std::max(choice.scored_rows(), sequence.position);
      const std::int64_t end = std::min(prompt - 1, sequence.position + sequence.token_count);
      if (begin < end) {
        CHECK(begin == choice.scored_rows(), "prompt row {} of request {} was never computed",
              choice.scored_rows(), sequence.id);
        wish.score_begin = static_cast<int>(begin - sequence.position);
        wish.score_count = static_cast<int>(end - begin);
      }
    }
    batch_.add(sequence, wish);
    sampled_.push_back({&choice, {}, {}});
  }
}

void StepLoop::reserve_logits(int rows) {
  const int wanted = std::max(rows, 1);
  const bool shrink = logits_rows_ > kLogitRowsKept && wanted <= kLogitRowsKept / 2;
  if (wanted <= logits_rows_ && !shrink) return;
  int capacity = 1;
  while (capacity < wanted) capacity *= 2;
  logits_ = Arena();
  logits_ = Arena(static_cast<std::size_t>(capacity) * static_cast<std::size_t>(runner_->vocab()) *
                  sizeof(float));
  logits_rows_ = capacity;
}

std::span<const float> StepLoop::logits(int row, int count) const {
  const auto vocab = static_cast<std::size_t>(runner_->vocab());
  const auto* data = reinterpret_cast<const float*>(logits_.data());
  return {data + static_cast<std::size_t>(row) * vocab, static_cast<std::size_t>(count) * vocab};
}

std::span<const float> StepLoop::hidden(int row, int count) const {
  const auto width = static_cast<std::size_t>(runner_->hidden());
  return std::span<const float>(hidden_).subspan(static_cast<std::size_t>(row) * width,
                                                 static_cast<std::size_t>(count) * width);
}

void StepLoop::forward(const scheduler::StepPlan& plan) {
  store_->execute(plan.page_copies, plan.state_copies, plan.state_zeros);
  if (plan.sequences.empty()) return;
  reserve_logits(batch_.logit_row_count());
  const models::StepMemory memory{store_->kv_base(), store_->kv_page_bytes(), store_->states()};
  models::StepInput input = batch_.input();
  hidden_.resize(static_cast<std::size_t>(batch_.hidden_row_count()) *
                 static_cast<std::size_t>(runner_->hidden()));
  input.hidden = hidden_.data();
  runner_->forward(input, memory, reinterpret_cast<float*>(logits_.data()));
}

void StepLoop::draw_all(const scheduler::StepPlan& plan) {
  const std::size_t count = plan.sequences.size();
  const std::size_t chunks = std::min(scratch_.size(), count);
  runner_->run(static_cast<int>(chunks), [&](int chunk) {
    const auto first = static_cast<std::size_t>(chunk);
    for (std::size_t i = first; i < count; i += chunks) {
      draw_one(plan.sequences[i], i, scratch_[first]);
    }
  });
}

void StepLoop::draw_one(const scheduler::ScheduledSequence& sequence, std::size_t index,
                        SamplerScratch& scratch) {
  Sampled& sampled = sampled_[index];
  const LogitRows& rows = batch_.logit_rows(index);
  for (int i = 0; i < rows.score_count; ++i) {
    if (sampled.choice->score_prompt_row(logits(rows.score_begin + i, 1))) continue;
    sampled.draws.poisoned = true;
    sampled.draws.error = Error{ErrorCode::kInternal, "the model's prompt logits are not finite"};
    return;
  }
  if (rows.hidden_count > 0 &&
      !sampled.choice->pooler().add(hidden(rows.hidden_begin, rows.hidden_count),
                                    rows.hidden_count)) {
    sampled.draws.poisoned = true;
    sampled.draws.error = Error{ErrorCode::kInternal, "the model's hidden states are not finite"};
    return;
  }
  if (rows.draw_count == 0) return;
  const auto drafts = sequence.tokens.last(static_cast<std::size_t>(sequence.draft_count));
  const std::int64_t position = sequence.position + sequence.token_count - sequence.draft_count;
  sampled.draws =
      sampled.choice->draw(logits(rows.draw_begin, rows.draw_count), position, drafts, scratch);
}

void StepLoop::conclude(const scheduler::StepPlan& plan, Time now) {
  results_.clear();
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    const scheduler::ScheduledSequence& sequence = plan.sequences[i];
    Sampled& sampled = sampled_[i];
    Choice& choice = *sampled.choice;
    sampled.output = choice.take(sampled.draws, now);
    const auto prompt = static_cast<std::int64_t>(choice.live().request.prompt.size());
    if (choice.params().max_tokens == 0 && !choice.finished() &&
        sequence.position + sequence.token_count >= prompt) {
      const bool pools = choice.live().request.pooling != Pooling::kNone;
      sampled.output = choice.end(pools ? FinishReason::kStop : FinishReason::kLength);
      if (pools) sampled.output.embedding = choice.pooler().result();
    }
    scheduler::SequenceResult result;
    result.id = sequence.id;
    result.finished = choice.finished();
    result.poisoned = sampled.draws.poisoned;
    for (const OutputToken& token : sampled.draws.tokens) result.tokens.push_back(token.id);
    if (result.poisoned) ++stats_.nan_rows;
    results_.push_back(std::move(result));
  }
}

void StepLoop::emit_all(const scheduler::StepPlan& plan, Time now) {
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    const scheduler::ScheduledSequence& sequence = plan.sequences[i];
    Sampled& sampled = sampled_[i];
    const auto made = static_cast<int>(sampled.draws.tokens.size());
    stats_.generation_tokens += static_cast<std::uint64_t>(made);
    if (sequence.draft_count > 0 && made > 0) {
      count_drafts(sequence, *sampled.choice, std::min(made - 1, sequence.draft_count));
    }
    Output& output = sampled.output;
    const bool finished = output.finish != FinishReason::kNone;
    if (!finished && output.tokens.empty()) continue;
    const auto trace = finished ? scheduler_->trace(sequence.id) : std::nullopt;
    deliver(*sampled.choice, std::move(output), trace.value_or(scheduler::RequestTrace{}), now);
    if (finished) sampled.choice = nullptr;  // gone
  }
}

// --- drafts -------------------------------------------------------------------------------------

void StepLoop::count_drafts(const scheduler::ScheduledSequence& sequence, Choice& choice,
                            int accepted) {
  ++stats_.drafts;
  stats_.draft_tokens += static_cast<std::uint64_t>(sequence.draft_count);
  stats_.accepted_draft_tokens += static_cast<std::uint64_t>(accepted);
  for (int i = 0; i < sequence.draft_count; ++i) {
    ++stats_.drafted_per_position[static_cast<std::size_t>(i)];
  }
  for (int i = 0; i < accepted; ++i) ++stats_.accepted_per_position[static_cast<std::size_t>(i)];
  const auto proposer = proposers_.find(sequence.id);
  if (proposer == proposers_.end()) return;
  if (proposer->second == nullptr) {
    choice.guidance().observe(accepted);
    return;
  }
  proposer->second->observe(sequence.id, sequence.draft_count, accepted);
  if (proposer->second->follows_prediction()) {
    choice.count_predicted(sequence.draft_count, accepted);
  }
}

std::vector<std::int32_t> StepLoop::ask_drafters(Choice& choice, int max) {
  std::vector<std::int32_t> likely = choice.guidance().propose(*context_.tokenizer, max);
  if (!likely.empty()) {
    proposers_[choice.scheduler_id()] = nullptr;
    return likely;
  }
  for (Drafter* drafter : drafters_) {
    std::vector<std::int32_t> drafts =
        drafter->propose(choice.scheduler_id(), scheduler_->tokens(choice.scheduler_id()), max);
    if (static_cast<int>(drafts.size()) > max) drafts.resize(static_cast<std::size_t>(max));
    const auto foreign = std::find_if(drafts.begin(), drafts.end(), [&](std::int32_t id) {
      return id < 0 || id >= runner_->vocab();
    });
    drafts.erase(foreign, drafts.end());
    choice.guidance().cut(drafts);
    if (drafts.empty()) continue;
    proposers_[choice.scheduler_id()] = drafter;
    return drafts;
  }
  return {};
}

void StepLoop::propose(const scheduler::StepPlan& plan) {
  if (config_.draft_tokens_max == 0) return;
  int going_on = 0;
  for (const Sampled& sampled : sampled_) going_on += sampled.choice != nullptr ? 1 : 0;
  if (going_on == 0) return;
  const int share = std::min(config_.draft_tokens_max, config_.draft_rows_max / going_on);
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    Choice* choice = sampled_[i].choice;
    if (choice == nullptr || sampled_[i].draws.tokens.empty()) continue;
    const std::int64_t left = choice->tokens_left() - 1;  // one token comes without a draft
    const int max = static_cast<int>(std::min<std::int64_t>(share, left));
    if (max <= 0) continue;
    std::vector<std::int32_t> drafts = ask_drafters(*choice, max);
    if (!drafts.empty()) scheduler_->set_drafts(choice->scheduler_id(), std::move(drafts));
  }
}

// --- numbers ------------------------------------------------------------------------------------

void StepLoop::count_step(const scheduler::StepPlan& plan, Time elapsed) {
  if (plan.sequences.empty()) return;
  ++stats_.steps;
  ++stats_.step_tokens_histogram[static_cast<std::size_t>(latest_bound(plan.token_count))];
  typical_step_.add(to_seconds(elapsed));
  stats_.preemptions += plan.preempted.size();
  if (config_.invariant_check_every > 0 &&
      stats_.steps % static_cast<std::uint64_t>(config_.invariant_check_every) == 0) {
    scheduler_->check_invariants();
  }
}

EngineStats StepLoop::stats() const {
  EngineStats stats = stats_;
  stats.step_seconds = typical_step_.seconds();
  const scheduler::SchedulerStats now = scheduler_->stats();
  stats.running = now.running;
  stats.waiting = now.waiting;
  stats.cache = cache_->stats();
  return stats;
}

std::vector<RequestInfo> StepLoop::requests() const {
  std::vector<RequestInfo> infos;
  infos.reserve(choices_.size());
  for (const auto& [scheduler_id, choice] : choices_) {
    const auto trace = scheduler_->trace(scheduler_id).value_or(scheduler::RequestTrace{});
    RequestInfo info;
    info.id = choice->live().id;
    info.choice = choice->index();
    info.running = trace.first_scheduled != Time::zero();
    info.prompt_tokens = static_cast<std::int64_t>(choice->live().request.prompt.size());
    info.computed_tokens = trace.computed_tokens;
    info.output_tokens = choice->made();
    info.max_tokens = choice->params().max_tokens;
    info.preemptions = trace.preemptions;
    info.arrival = choice->live().arrival;
    infos.push_back(info);
  }
  return infos;
}

}  // namespace quire::engine
