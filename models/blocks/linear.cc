// Cutting matmuls: panels first, so that a part reads its weights as one stream.
#include "models/blocks/linear.h"

#include <algorithm>

namespace quire::models {
namespace {

constexpr int kPartsPerThread = 8;
constexpr std::int64_t kPartRows = 256;  // its inputs stay in the second-level cache
constexpr int kHalvingsMax = 5;
constexpr std::int64_t kPanelsMin = 4;  // of a part; the width of the widest tile
constexpr std::int64_t kSourceRows = 8;

}  // namespace

std::int64_t Part::columns(std::int64_t width) const {
  return std::min(panel_end * kernels::kPanelRows, width) - column();
}

Split::Split(std::int64_t rows, std::int64_t panels, int threads)
    : rows_(rows),
      panels_(panels),
      threads_(threads),
      row_chunks_(static_cast<int>((rows + kPartRows - 1) / kPartRows)) {
  if (row_chunks_ > 1) {
    panel_chunks_ = static_cast<int>(std::min<std::int64_t>(panels, kPartsPerThread * threads));
    return;
  }
  while (halvings_ < kHalvingsMax && panels >> (halvings_ + 1) >= kPanelsMin * threads) ++halvings_;
  panel_chunks_ = halvings_ > 0 ? threads * (halvings_ + 1)
                                : static_cast<int>(std::min<std::int64_t>(panels, threads));
}

std::int64_t Split::panel_begin(int chunk) const {
  if (chunk == panel_chunks_) return panels_;
  if (halvings_ == 0) return panels_ * chunk / panel_chunks_;
  const int round = chunk / threads_;
  const std::int64_t begin = panels_ - (panels_ >> round);
  const std::int64_t end = round < halvings_ ? panels_ - (panels_ >> (round + 1)) : panels_;
  const std::int64_t panel = begin + (end - begin) * (chunk % threads_) / threads_;
  return panel / kPanelsMin * kPanelsMin;
}

Part Split::part(int chunk) const {
  const std::int64_t row = chunk % row_chunks_ * kPartRows;
  const int column = chunk / row_chunks_;
  return {.row = row,
          .rows = std::min(kPartRows, rows_ - row),
          .panel_begin = panel_begin(column),
          .panel_end = panel_begin(column + 1)};
}

void run_part(const Step& step, const LinearTask& task, const kernels::Activations& x,
              const Part& part) {
  step.kernels.matmul({.x = {x.form, x.row(part.row), x.stride_bytes},
                       .rows = part.rows,
                       .w = task.linear.w,
                       .bias = task.linear.bias,
                       .y = task.y.at(part.row),
                       .y_stride = task.y.stride,
                       .panel_begin = part.panel_begin,
                       .panel_end = part.panel_end,
                       .store = task.store,
                       .read_ahead = &step.read_ahead});
}

LinearSource source_of(const LinearInputs& inputs, const BlockInput& in) {
  LinearSource source = {.inputs = inputs, .x = rows_of(in.x), .rows = in.x.dim(0)};
  if (in.norm != nullptr) {
    source.norm = in.norm;
    source.normed = rows_of(in.normed);
  }
  return source;
}

int SourcePhase::chunks() const {
  if (source_.norm == nullptr && !source_.inputs.is_prepared()) return 0;
  return static_cast<int>((source_.rows + kSourceRows - 1) / kSourceRows);
}

void SourcePhase::operator()(int chunk) const {
  const std::int64_t row = chunk * kSourceRows;
  const std::int64_t rows = std::min(kSourceRows, source_.rows - row);
  if (source_.norm != nullptr) {
    apply_norm(step_.kernels, *source_.norm, {source_.x.at(row), source_.x.stride},
               {source_.normed.at(row), source_.normed.stride}, rows);
  }
  source_.inputs.prepare(step_.kernels, source_.read(), row, rows);
}

void run_linears(const Step& step, const LinearSource& source,
                 std::initializer_list<LinearTask> tasks, const Team::Phase* after) {
  CHECK(tasks.size() <= kLinearTasksMax, "{} tasks", tasks.size());
  // The tasks' panels one after the other: a part may end one task and begin the next.
  std::int64_t panels = 0;
  for (const LinearTask& task : tasks) panels += task.linear.w->panels();
  const Split split(source.rows, panels, step.team.threads());
  const SourcePhase prepare(step, source);
  const auto multiply = [&](int chunk) {
    const Part all = split.part(chunk);
    std::int64_t first = 0;  // of the task
    for (const LinearTask& task : tasks) {
      const std::int64_t count = task.linear.w->panels();
      Part own = all;
      own.panel_begin = std::clamp<std::int64_t>(all.panel_begin - first, 0, count);
      own.panel_end = std::clamp<std::int64_t>(all.panel_end - first, 0, count);
      if (own.panel_begin < own.panel_end)
        run_part(step, task, source.activations(task.linear), own);
      first += count;
    }
  };
  const auto nothing = [](int) {};
  const Team::Phase last = after == nullptr ? Team::Phase{0, nothing} : *after;
  step.team.run_phases({{prepare.chunks(), prepare}, {split.chunks(), multiply}, last});
}

}  // namespace quire::models
