// Cutting matmuls: panels first, so that a part reads its weights as one stream.
#include "models/blocks/linear.h"

#include <algorithm>
#include <array>

namespace quire::models {
namespace {

constexpr std::int64_t kPartsPerThread = 8;
constexpr std::int64_t kPartRows = 256;  // its inputs stay in the second-level cache
constexpr std::int64_t kSourceRows = 8;

}  // namespace

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

void run_part(const kernels::Kernels& kernels, const LinearTask& task,
              const kernels::Activations& x, const Part& part) {
  kernels.matmul({.x = {x.form, x.row(part.row), x.stride_bytes},
                  .rows = part.rows,
                  .w = task.linear.w,
                  .bias = task.linear.bias,
                  .y = task.y.at(part.row),
                  .y_stride = task.y.stride,
                  .panel_begin = part.panel_begin,
                  .panel_end = part.panel_end,
                  .store = task.store});
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
  std::array<Split, kLinearTasksMax> splits;
  int chunks = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    splits[i] = Split(source.rows, tasks.begin()[i].linear.w->panels(), step.team.threads());
    chunks += splits[i].chunks();
  }
  const SourcePhase prepare(step, source);
  const auto multiply = [&](int chunk) {
    std::size_t i = 0;
    for (; chunk >= splits[i].chunks(); ++i) chunk -= splits[i].chunks();
    const LinearTask& task = tasks.begin()[i];
    run_part(step.kernels, task, source.activations(task.linear), splits[i].part(chunk));
  };
  const auto nothing = [](int) {};
  const Team::Phase last = after == nullptr ? Team::Phase{0, nothing} : *after;
  step.team.run_phases({{prepare.chunks(), prepare}, {chunks, multiply}, last});
}

}  // namespace quire::models
