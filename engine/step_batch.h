// A step's plan as the model's input: flat tokens, sequences and the rows that need logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/model.h"
#include "scheduler/request.h"

namespace quire::engine {

// Rows of the logits that belong to one sequence of the plan.
struct LogitRows {
  int score_begin = 0, score_count = 0;    // prompt rows to be scored
  int draw_begin = 0, draw_count = 0;      // 1 + drafts rows to be drawn from, or none
  int hidden_begin = 0, hidden_count = 0;  // of the hidden states
};

// Which rows of a sequence are wanted.
struct RowWish {
  int score_begin = 0, score_count = 0;    // rows of the sequence, 0-based
  int hidden_begin = 0, hidden_count = 0;  // likewise
  bool draws = false;
  std::int64_t length_max = 0;  // see models::SequenceInput
};

// Reused from step to step, so that a step allocates nothing once the buffers have grown.
class StepBatch {
 public:
  void clear();
  // The spans of `sequence` must stay valid as long as the batch is used.
  void add(const scheduler::ScheduledSequence& sequence, const RowWish& wish);

  models::StepInput input();
  const LogitRows& logit_rows(std::size_t sequence) const { return rows_[sequence]; }
  int logit_row_count() const { return static_cast<int>(logit_rows_.size()); }
  int hidden_row_count() const { return static_cast<int>(hidden_rows_.size()); }
  int token_count() const { return static_cast<int>(tokens_.size()); }

 private:
  std::vector<std::int32_t> tokens_;
  std::vector<models::SequenceInput> sequences_;
  std::vector<int> logit_rows_;
  std::vector<int> hidden_rows_;
  std::vector<LogitRows> rows_;
  std::vector<models::StateSave> saves_;
  std::vector<std::size_t> save_ends_;  // of each sequence, in saves_
};

}  // namespace quire::engine
