// Cutting matmuls: panels first, so that a part reads its weights as one stream.
#include "models/blocks/linear.h"

#include <algorithm>
#include <array>

namespace quire::models {
namespace {

constexpr std::int64_t kPartsPerThread = 8;
constexpr std::int64_t kPartRows = 256;  // its inputs stay in the second-level cache

}  // namespace

Linear find_linear(const Weights& weights, int layer, Slot slot) {
  return {&weights.matrix(layer, slot), nullptr};
}

Linear find_linear(const Weights& weights, int layer, Slot slot, Slot bias) {
  return {&weights.matrix(layer, slot),
          weights.has(layer, bias) ? weights.vector(layer, bias).data() : nullptr};
}

std::int64_t Part::columns(std::int64_t width) const {
  return std::min(panel_end * kernels::kPanelRows, width) - column();
}

Split::Split(std::int64_t rows, std::int64_t panels, int threads)
    : rows_(rows),
      panels_(panels),
      panels_per_chunk_(std::max<std::int64_t>(1, panels / (kPartsPerThread * threads))),
      row_chunks_(static_cast<int>((rows + kPartRows - 1) / kPartRows)),
      panel_chunks_(static_cast<int>((panels + panels_per_chunk_ - 1) / panels_per_chunk_)) {}

Part Split::part(int chunk) const {
  const std::int64_t row = chunk % row_chunks_ * kPartRows;
  const std::int64_t panel = chunk / row_chunks_ * panels_per_chunk_;
  return {.row = row,
          .rows = std::min(kPartRows, rows_ - row),
          .panel_begin = panel,
          .panel_end = std::min(panel + panels_per_chunk_, panels_)};
}

void run_part(const kernels::Kernels& kernels, const LinearTask& task, const Part& part) {
  kernels.matmul({.x = task.x.at(part.row),
                  .x_stride = task.x.stride,
                  .rows = part.rows,
                  .w = task.linear.w,
                  .bias = task.linear.bias,
                  .y = task.y.at(part.row),
                  .y_stride = task.y.stride,
                  .panel_begin = part.panel_begin,
                  .panel_end = part.panel_end,
                  .store = task.store});
}

void run_linears(const Step& step, std::int64_t rows, std::initializer_list<LinearTask> tasks) {
  CHECK(tasks.size() <= kLinearTasksMax, "{} tasks", tasks.size());
  std::array<Split, kLinearTasksMax> splits;
  int chunks = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    splits[i] = Split(rows, tasks.begin()[i].linear.w->panels(), step.team.threads());
    chunks += splits[i].chunks();
  }
  step.team.run(chunks, [&](int chunk) {
    std::size_t i = 0;
    for (; chunk >= splits[i].chunks(); ++i) chunk -= splits[i].chunks();
    run_part(step.kernels, tasks.begin()[i], splits[i].part(chunk));
  });
}

}  // namespace quire::models
