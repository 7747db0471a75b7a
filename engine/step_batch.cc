// Flattens a plan; the spans over saves are set last, when the vector no longer grows.
#include "engine/step_batch.h"

namespace quire::engine {

void StepBatch::clear() {
  tokens_.clear();
  sequences_.clear();
  logit_rows_.clear();
  hidden_rows_.clear();
  rows_.clear();
  saves_.clear();
  save_ends_.clear();
}

void StepBatch::add(const scheduler::ScheduledSequence& sequence, const RowWish& wish) {
  const int first = static_cast<int>(tokens_.size());
  models::SequenceInput input;
  input.row_begin = first;
  input.row_count = sequence.token_count;
  input.position = sequence.position;
  input.length_max = wish.length_max;
  input.page_tables = sequence.page_tables;
  input.state_slot = sequence.state_slot;
  sequences_.push_back(input);
  tokens_.insert(tokens_.end(), sequence.tokens.begin(), sequence.tokens.end());
  for (const scheduler::StateSaveOrder& save : sequence.state_saves) {
    saves_.push_back({save.row, save.slot});
  }
  save_ends_.push_back(saves_.size());

  LogitRows rows;
  rows.score_begin = static_cast<int>(logit_rows_.size());
  rows.score_count = wish.score_count;
  for (int i = 0; i < wish.score_count; ++i) logit_rows_.push_back(first + wish.score_begin + i);
  rows.draw_begin = static_cast<int>(logit_rows_.size());
  if (wish.draws) {
    rows.draw_count = sequence.draft_count + 1;
    for (int i = sequence.token_count - rows.draw_count; i < sequence.token_count; ++i) {
      logit_rows_.push_back(first + i);
    }
  }
  rows.hidden_begin = static_cast<int>(hidden_rows_.size());
  rows.hidden_count = wish.hidden_count;
  for (int i = 0; i < wish.hidden_count; ++i) hidden_rows_.push_back(first + wish.hidden_begin + i);
  rows_.push_back(rows);
}

models::StepInput StepBatch::input() {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    sequences_[i].state_saves =
        std::span<const models::StateSave>(saves_).subspan(begin, save_ends_[i] - begin);
    begin = save_ends_[i];
  }
  return {.tokens = tokens_,
          .sequences = sequences_,
          .logit_rows = logit_rows_,
          .hidden_rows = hidden_rows_};
}

}  // namespace quire::engine
