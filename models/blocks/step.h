// What all blocks share in one step: rows and their sequences, memory, rope tables, kernels, team.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/team.h"
#include "base/tensor_view.h"
#include "kernels/kernels.h"
#include "models/blocks/page_sharing.h"
#include "models/memory_layout.h"
#include "models/model.h"

namespace quire::models {

// Consecutive rows of one sequence: the unit of row-wise parallel work.
struct RowBlock {
  static constexpr int kRows = 32;  // at most
  int sequence = 0;
  int row = 0;  // in the step's flat token list
  int rows = 0;
  std::int64_t position = 0;  // of the first row
};

// cos and sin of a step's positions for one Rope, the amplitude multiplied in.
struct RopeRows {
  const float* cos = nullptr;  // [T, pairs]
  const float* sin = nullptr;
  std::int64_t pairs = 0;
};

struct Step {
  const kernels::Kernels& kernels;
  Team& team;
  const StepInput& input;
  const StepMemory& memory;
  std::span<const RowBlock> blocks;      // every row once; within a sequence the latest rows first
  std::span<const RopeRows> ropes;       // [distinct ropes of the model]
  std::span<const PageSharing> sharing;  // [KV group]
  kernels::ReadAhead& read_ahead;        // what products may call for

  std::int64_t rows() const { return static_cast<std::int64_t>(input.tokens.size()); }
};

// Rows of floats with a stride; owns nothing.
struct Rows {
  float* data = nullptr;
  std::int64_t stride = 0;
  float* at(std::int64_t row) const { return data + row * stride; }
};

inline Rows rows_of(const TensorView& view) { return {view.f32_data(), view.dim(view.rank() - 1)}; }

// Pages of one sequence in one layer.
inline kernels::PagedKv paged_kv(const Step& step, const KvSite& site, int sequence) {
  const auto group = static_cast<std::size_t>(site.group);
  const SequenceInput& of = step.input.sequences[static_cast<std::size_t>(sequence)];
  return {.layout = site.layout,
          .base = step.memory.kv_base[group],
          .page_bytes = step.memory.kv_page_bytes[group],
          .layer_offset = site.layer_offset,
          .table = of.page_tables[group].data()};
}

// Hands out scratch of a step from one region. With a null base it only measures, so that the same
// carve() function of a block says how much it needs and later gets it.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <class T>
  T* take(std::int64_t count) {
    const std::size_t at = bytes_;
    bytes_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }
  Rows rows(std::int64_t count, std::int64_t width) { return {take<float>(count * width), width}; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* base_;
  std::size_t bytes_ = 0;
};

// More threads than this share the scratch slots of the first ones by not taking part.
inline constexpr int kWorkersMax = 256;

// Runs f(task, worker) for all tasks; no two tasks of the same worker number run at once, so that
// scratch may be held per worker number in [0, kWorkersMax).
template <class F>
void run_with_workers(Team& team, int tasks, const F& f) {
  std::atomic<int> next{0};
  int workers = team.threads() < kWorkersMax ? team.threads() : kWorkersMax;
  if (workers > tasks) workers = tasks;
  team.run(workers, [&](int worker) {
    for (int task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) f(task, worker);
  });
}

// Runs f(row_begin, rows) over [0, rows) in pieces of `piece` rows.
template <class F>
void run_rows(Team& team, std::int64_t rows, std::int64_t piece, const F& f) {
  team.run(static_cast<int>((rows + piece - 1) / piece), [&](int chunk) {
    const std::int64_t begin = chunk * piece;
    f(begin, begin + piece < rows ? piece : rows - begin);
  });
}

// Everything a block learns about its place when it is built.
struct BlockSite {
  const Weights& weights;
  int layer = 0;  // -1: the ends of the model
  kernels::Arithmetic arithmetic = kernels::Arithmetic::kF32;
  std::int64_t hidden = 0;
  int rows_max = 0;
  KvSite kv = {};
  std::int64_t state_offset = -1;
  int rope = -1;  // index into Step::ropes
};

}  // namespace quire::models
