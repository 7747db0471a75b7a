// Linear layers over the team: how a matmul is cut into parts, and several of them in one region.
#pragma once

#include <initializer_list>

#include "models/blocks/linear_inputs.h"
#include "models/blocks/norm.h"

namespace quire::models {

// Y (set or add) x W^T + bias.
struct LinearTask {
  Linear linear;
  Rows y;
  kernels::Store store = kernels::Store::kSet;
};

// A rectangle of an output: rows by panels.
struct Part {
  std::int64_t row = 0, rows = 0, panel_begin = 0, panel_end = 0;

  std::int64_t column() const { return panel_begin * kernels::kPanelRows; }
  // Columns of the part in a matrix of `width` outputs.
  std::int64_t columns(std::int64_t width) const;
};

// Cuts [rows, panels] into parts. Of few rows, whose parts take microseconds, the first `threads`
// parts are half of the whole, the next ones half of the rest, and so on: taking a part costs two
// cache lines that all threads write, and the small last ones let the threads end together. Many
// rows are cut into equal parts, enough for every thread to take several. No part is empty.
class Split {
 public:
  Split(std::int64_t rows, std::int64_t panels, int threads);
  int chunks() const { return row_chunks_ * panel_chunks_; }
  Part part(int chunk) const;

 private:
  std::int64_t panel_begin(int chunk) const;  // of the chunks of one row chunk

  std::int64_t rows_, panels_;
  int threads_;
  int halvings_ = 0;  // of few rows
  int row_chunks_, panel_chunks_ = 0;
};

// x is row 0's activations.
void run_part(const Step& step, const LinearTask& task, const kernels::Activations& x,
              const Part& part);

// The rows that linears read: x, or norm(x), which is then written to `normed` first.
struct LinearSource {
  const LinearInputs& inputs;
  Rows x;
  std::int64_t rows = 0;
  const BoundNorm* norm = nullptr;
  Rows normed = {};

  Rows read() const { return norm == nullptr ? x : normed; }
  kernels::Activations activations(const Linear& linear) const {
    return inputs.activations(linear, read());
  }
};
LinearSource source_of(const LinearInputs& inputs, const BlockInput& in);

// The phase that norms and prepares a source, in pieces of rows; no chunks when there is nothing to
// do. Keeps a reference to both.
class SourcePhase {
 public:
  SourcePhase(const Step& step, const LinearSource& source) : step_(step), source_(source) {}
  int chunks() const;
  void operator()(int chunk) const;

 private:
  const Step& step_;
  const LinearSource& source_;
};

// Runs up to kLinearTasksMax independent tasks over one source in one region, and `after` behind
// them in the same region.
inline constexpr int kLinearTasksMax = 4;
void run_linears(const Step& step, const LinearSource& source,
                 std::initializer_list<LinearTask> tasks, const Team::Phase* after = nullptr);

}  // namespace quire::models
