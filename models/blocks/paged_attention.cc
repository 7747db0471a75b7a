// One task is a block of rows of a sequence, one kv head and some or all of its query heads.
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

kernels::Attention PagedAttention::task_of(const Step& step, const RowBlock& block,
                                           int heads_per_task) const {
  kernels::Attention task;
  task.kv = paged_kv(step, site_, block.sequence);
  task.rows = block.rows;
  task.position = block.position;
  task.heads_per_kv = heads_per_task;
  task.scale = scores_.scale;
  task.softcap = scores_.softcap;
  task.window = site_.window;
  return task;
}

// Few tasks, as in the decode of one sequence with one kv head, are cut along the query heads:
// each head's sums are its own, so the cut does not change them.
int PagedAttention::head_parts(const Step& step) const {
  const int tasks = static_cast<int>(step.blocks.size()) * site_.layout.kv_heads;
  const int group = heads_ / site_.layout.kv_heads;
  if (step.team.threads() == 1) return 1;
  for (int parts = 1; parts < group; ++parts) {
    if (group % parts == 0 && tasks * parts >= 2 * step.team.threads()) return parts;
  }
  return group;
}

void PagedAttention::run(const Step& step, Rows q, Rows out) const {
  const int parts = head_parts(step);
  const int kv_heads = site_.layout.kv_heads;
  const int group = heads_ / kv_heads, heads_per_task = group / parts;
  const int blocks = static_cast<int>(step.blocks.size());
  // All blocks of one kv head, then the next head: blocks of one prompt, and sequences that share
  // pages, find the keys and values of their neighbours in the cache.
  run_with_workers(step.team, blocks * kv_heads * parts, [&](int index, int worker) {
    const RowBlock& block = step.blocks[static_cast<std::size_t>(index / parts % blocks)];
    kernels::Attention task = task_of(step, block, heads_per_task);
    task.kv_head = index / parts / blocks;
    // The kernel starts at query head kv_head * heads_per_task; this task's first head is another
    // one when the group is cut.
    const std::int64_t skipped = std::int64_t{task.kv_head} * (group - heads_per_task) +
                                 std::int64_t{index % parts} * heads_per_task;
    task.q = q.at(block.row) + skipped * site_.layout.key_dim;
    task.q_stride = q.stride;
    task.out = out.at(block.row) + skipped * site_.layout.value_read_dim();
    task.out_stride = out.stride;
    task.scratch = scratch_ + worker * scratch_floats_;
    step.kernels.attention(task);
  });
}

}  // namespace quire::models
