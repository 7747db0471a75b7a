// Slot n % size holds the n-th entry.
#include "engine/step_recorder.h"

#include <algorithm>

namespace quire::engine {
namespace {

StepShare share_of(const scheduler::ScheduledSequence& sequence,
                   const scheduler::SequenceResult& result) {
  StepShare share;
  share.sequence = sequence.id;
  share.rows = sequence.token_count;
  share.drafts = sequence.draft_count;
  const int drawn = static_cast<int>(result.tokens.size());
  share.accepted = std::clamp(drawn - 1, 0, sequence.draft_count);
  share.prefill = !sequence.samples || sequence.token_count - sequence.draft_count > 1;
  return share;
}

}  // namespace

void StepRecorder::step(std::uint64_t number, const scheduler::StepPlan& plan,
                        std::span<const scheduler::SequenceResult> results,
                        const StepStamps& stamps) {
  if (plan.sequences.empty()) return;
  StepRecord& slot = steps_[step_count_++ % kSteps];
  slot.shares.clear();
  slot.preempted.assign(plan.preempted.begin(), plan.preempted.end());
  StepFacts& record = slot.facts;
  record = {};
  record.number = number;
  record.begin = stamps.begin;
  record.schedule = stamps.planned - stamps.begin;
  record.forward = stamps.computed - stamps.planned;
  record.sample = stamps.sampled - stamps.computed;
  record.commit = stamps.committed - stamps.sampled;
  record.emit = stamps.ended - stamps.committed;
  record.sequences = static_cast<std::int32_t>(plan.sequences.size());
  record.target = plan.target;
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    const scheduler::ScheduledSequence& sequence = plan.sequences[i];
    const StepShare share = share_of(sequence, results[i]);
    (share.prefill ? record.prefill_rows : record.decode_rows) += share.rows - share.drafts;
    record.draft_rows += share.drafts;
    record.accepted_drafts += share.accepted;
    record.context_tokens += sequence.position + sequence.token_count;
    slot.shares.push_back(share);
  }
}

void StepRecorder::finish(const Choice& choice, const Output& output) {
  FinishedView& view = finished_[finished_count_++ % kFinished];
  view.serial = finished_count_;
  view.id = choice.live().id;
  view.choice = choice.index();
  view.sequence = choice.scheduler_id();
  view.finish = output.finish;
  view.usage = output.usage;
  view.timings = output.timings;
}

void StepRecorder::copy(const LiveViewWish& wish, LiveView& view) const {
  const std::uint64_t kept = std::min<std::uint64_t>(step_count_, kSteps);
  for (std::uint64_t i = step_count_ - kept; i < step_count_; ++i) {
    const StepRecord& step = steps_[i % kSteps];
    if (step.facts.number <= wish.steps_after) continue;
    const bool detailed = step_count_ - i <= static_cast<std::uint64_t>(wish.shares_max);
    if (detailed) {
      view.steps.push_back(step);
      continue;
    }
    view.steps.push_back({step.facts, {}, step.preempted});
  }
  const std::uint64_t ended = std::min<std::uint64_t>(finished_count_, kFinished);
  for (std::uint64_t i = finished_count_ - ended; i < finished_count_; ++i) {
    const FinishedView& finished = finished_[i % kFinished];
    if (finished.serial > wish.finished_after) view.finished.push_back(finished);
  }
}

}  // namespace quire::engine
