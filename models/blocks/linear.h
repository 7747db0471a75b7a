// Linear layers over the team: how a matmul is cut into parts, and several of them in one region.
#pragma once

#include <initializer_list>

#include "models/blocks/step.h"

namespace quire::models {

struct Linear {
  const kernels::PackedMatrix* w = nullptr;  // [N, K]
  const float* bias = nullptr;               // [N] or null
};
// `bias` is looked up only if the layer has it.
Linear find_linear(const Weights& weights, int layer, Slot slot);
Linear find_linear(const Weights& weights, int layer, Slot slot, Slot bias);

// y (set or add) x W^T + bias.
struct LinearTask {
  Linear linear;
  Rows x;
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

// Cuts [rows, panels] into parts, enough for every thread to take several.
class Split {
 public:
  Split() = default;
  Split(std::int64_t rows, std::int64_t panels, int threads);
  int chunks() const { return row_chunks_ * panel_chunks_; }
  Part part(int chunk) const;

 private:
  std::int64_t rows_ = 0, panels_ = 0, panels_per_chunk_ = 1;
  int row_chunks_ = 0, panel_chunks_ = 0;
};

void run_part(const kernels::Kernels& kernels, const LinearTask& task, const Part& part);

// Runs up to kLinearTasksMax independent tasks of `rows` rows in one region.
inline constexpr int kLinearTasksMax = 4;
void run_linears(const Step& step, std::int64_t rows, std::initializer_list<LinearTask> tasks);

}  // namespace quire::models
