// One task is a unit of rows, one kv head and some or all of its query heads.
#include "models/blocks/paged_attention.h"

namespace quire::models {

PagedAttention::PagedAttention(const KvSite& site, int heads, const Scores& scores)
    : site_(site), heads_(heads), scores_(scores) {
  CHECK(heads % site.layout.kv_heads == 0, "{} query heads for {} kv heads", heads,
        site.layout.kv_heads);
  kernels::Attention largest;
  largest.kv.layout = site.layout;
  largest.rows = RowBlock::kRows;
  largest.heads_per_kv = heads / site.layout.kv_heads;
  largest.window = site.window;
  scratch_floats_ = (kernels::attention_scratch(largest) + 15) / 16 * 16;
}

void PagedAttention::carve(Carver& carver) {
  scratch_ = carver.take<float>(kWorkersMax * scratch_floats_);
}

// Few tasks, as in the decode of one sequence with one kv head, are cut along the query heads:
// each head's sums are its own, so the cut does not change them.
int PagedAttention::head_parts(const Step& step) const {
  const auto units = step.sharing[static_cast<std::size_t>(site_.group)].units();
  const int tasks = static_cast<int>(units.size()) * site_.layout.kv_heads;
  const int group = heads_ / site_.layout.kv_heads;
  if (step.team.threads() == 1) return 1;
  for (int parts = 1; parts < group; ++parts) {
    if (group % parts == 0 && tasks * parts >= 2 * step.team.threads()) return parts;
  }
  return group;
}

// What the tasks of shared and of other units have in common; q and out are those of row 0, the
// pages those of sequence 0.
kernels::Attention PagedAttention::task_of(const Step& step, const Cut& cut, int index) const {
  const int group = heads_ / site_.layout.kv_heads, heads_per_task = group / cut.head_parts;
  kernels::Attention task;
  task.kv = paged_kv(step, site_, 0);
  task.heads_per_kv = heads_per_task;
  task.kv_head = index / cut.head_parts / cut.units;
  // The kernel starts at query head kv_head * heads_per_task; this task's first head is another
  // one when the group is cut.
  const std::int64_t skipped = std::int64_t{task.kv_head} * (group - heads_per_task) +
                               std::int64_t{index % cut.head_parts} * heads_per_task;
  task.q = cut.q.data + skipped * site_.layout.key_dim;
  task.q_stride = cut.q.stride;
  task.out = cut.out.data + skipped * site_.layout.value_read_dim();
  task.out_stride = cut.out.stride;
  task.scale = scores_.scale;
  task.softcap = scores_.softcap;
  task.window = site_.window;
  return task;
}

void PagedAttention::run(const Step& step, Rows q, Rows out) const {
  const auto units = step.sharing[static_cast<std::size_t>(site_.group)].units();
  const Cut cut = {q, out, static_cast<int>(units.size()), head_parts(step)};
  // All units of one kv head, then the next head: blocks of one prompt find the keys and values of
  // their neighbours in the cache.
  const int tasks = cut.units * site_.layout.kv_heads * cut.head_parts;
  run_with_workers(step.team, tasks, [&](int index, int worker) {
    const auto& unit = units[static_cast<std::size_t>(index / cut.head_parts % cut.units)];
    kernels::Attention task = task_of(step, cut, index);
    task.scratch = scratch_ + worker * scratch_floats_;
    if (unit.block < 0) {
      step.kernels.shared_attention({.common = task, .rows = unit.rows, .pieces = unit.pieces});
      return;
    }
    const RowBlock& block = step.blocks[static_cast<std::size_t>(unit.block)];
    task.kv = paged_kv(step, site_, block.sequence);
    task.q += block.row * q.stride;
    task.out += block.row * out.stride;
    task.rows = block.rows;
    task.position = block.position;
    step.kernels.attention(task);
  });
}

}  // namespace quire::models
