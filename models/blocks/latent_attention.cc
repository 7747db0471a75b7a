// Scores are q_n^T W_k c + q_o . k_o = (W_k^T q_n) . c + q_o . k_o; values are W_v (sum of p c).
#include "models/blocks/latent_attention.h"

#include <cstring>

#include "models/blocks/rope.h"

namespace quire::models {

LatentAttentionBlock::LatentAttentionBlock(const LatentAttention& spec, const BlockSite& site)
    : spec_(spec),
      site_(site),
      kv_down_(find_linear(site, Slot::kKvDown, Slot::kKvDownBias)),
      o_(find_linear(site, Slot::kO, Slot::kOBias)),
      in_({kv_down_}),
      values_in_({o_}),
      kv_norm_(
          bind_norm(spec.latent_norm, spec.kv_rank, site.weights, site.layer, Slot::kKvDownNorm)),
      attention_(site.kv, spec.heads, {.scale = spec.scale}) {
  if (spec.q_rank == 0) {
    q_ = find_linear(site, Slot::kQ);
  } else {
    q_down_ = find_linear(site, Slot::kQDown, Slot::kQDownBias);
    q_ = find_linear(site, Slot::kQUp);
    q_norm_ = bind_norm(spec.latent_norm, spec.q_rank, site.weights, site.layer, Slot::kQDownNorm);
  }
  (spec.q_rank == 0 ? in_ : q_latent_in_).add_reader(q_);
  if (spec.q_rank != 0) in_.add_reader(q_down_);
  const auto f32_linear = [&](Slot slot, int head) {
    Linear linear = find_linear(site, slot, head);
    linear.form = {};
    return linear;
  };
  for (int head = 0; head < spec.heads; ++head) {
    key_up_.push_back(f32_linear(Slot::kKvUpKey, head));
    value_up_.push_back(f32_linear(Slot::kKvUpValue, head));
  }
}

void LatentAttentionBlock::carve(Carver& carver) {
  const std::int64_t heads = spec_.heads, latent = spec_.kv_rank + spec_.rope_dim;
  if (spec_.q_rank != 0) q_latent_ = carver.rows(site_.rows_max, spec_.q_rank);
  projected_ = carver.rows(site_.rows_max, heads * (spec_.nope_dim + spec_.rope_dim));
  latents_ = carver.rows(site_.rows_max, latent);
  queries_ = carver.rows(site_.rows_max, heads * latent);
  mixed_ = carver.rows(site_.rows_max, heads * spec_.kv_rank);
  values_ = carver.rows(site_.rows_max, heads * spec_.value_dim);
  in_.carve(carver, site_.rows_max);
  q_latent_in_.carve(carver, site_.rows_max);
  values_in_.carve(carver, site_.rows_max);
  attention_.carve(carver);
}

void LatentAttentionBlock::forward(const Step& step, const BlockInput& in, const TensorView& y,
                                   kernels::Store store) const {
  ShapeScope("latent_attention")
      .bind('T', step.rows())
      .bind('D', site_.hidden)
      .check(in.x, "T D")
      .check(y, "T D");
  const bool has_q_latent = spec_.q_rank != 0;
  const LinearTask first_q =
      has_q_latent ? LinearTask{q_down_, q_latent_} : LinearTask{q_, projected_};
  const auto place = [&](int chunk) {
    place_rows(step, step.blocks[static_cast<std::size_t>(chunk)]);
  };
  const Team::Phase after = {static_cast<int>(step.blocks.size()), place};
  run_linears(step, source_of(in_, in), {{kv_down_, latents_}, first_q}, &after);
  if (has_q_latent) {
    run_linears(step, {q_latent_in_, q_latent_, step.rows()}, {{q_, projected_}});
  }
  absorb(step);
  attention_.run(step, queries_, mixed_);
  expand(step);
  run_linears(step, {values_in_, values_, step.rows()}, {{o_, rows_of(y), store}});
}

// Finishes the latents of a block of rows, writes them, and norms its query latents.
void LatentAttentionBlock::place_rows(const Step& step, const RowBlock& block) const {
  const Rows latents = {latents_.at(block.row), latents_.stride};
  apply_norm(step.kernels, kv_norm_, latents, latents, block.rows);
  for (std::int64_t row = block.row; row < block.row + block.rows && site_.rope >= 0; ++row) {
    rotate(step, site_.rope, spec_.rope.interleaved, row,
           {latents_.at(row) + spec_.kv_rank, 1, spec_.rope_dim});
  }
  step.kernels.kv_write({.kv = paged_kv(step, site_.kv, block.sequence),
                         .k = latents.data,
                         .k_stride = latents.stride,
                         .rows = block.rows,
                         .position = block.position});
  if (spec_.q_rank == 0) return;
  const Rows q = {q_latent_.at(block.row), q_latent_.stride};
  apply_norm(step.kernels, q_norm_, q, q, block.rows);
}

// queries[h] = [W_k^T q_n | rotated q_o].
void LatentAttentionBlock::absorb(const Step& step) const {
  const std::int64_t latent = spec_.kv_rank + spec_.rope_dim;
  const std::int64_t head_dim = spec_.nope_dim + spec_.rope_dim;
  const Split split(step.rows(), key_up_[0].w->panels(), step.team.threads());
  step.team.run(spec_.heads * split.chunks(), [&](int chunk) {
    const int head = chunk / split.chunks();
    const Part part = split.part(chunk % split.chunks());
    const Rows from = {projected_.data + head * head_dim, projected_.stride};
    const Rows to = {queries_.data + head * latent, queries_.stride};
    run_part(step, {key_up_[static_cast<std::size_t>(head)], to}, f32_activations(from), part);
    if (part.panel_begin != 0) return;
    for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
      float* rotated = to.at(row) + spec_.kv_rank;
      std::memcpy(rotated, from.at(row) + spec_.nope_dim,
                  static_cast<std::size_t>(spec_.rope_dim) * sizeof(float));
      if (site_.rope < 0) continue;
      rotate(step, site_.rope, spec_.rope.interleaved, row, {rotated, 1, spec_.rope_dim});
    }
  });
}

// values[h] = W_v mixed[h].
void LatentAttentionBlock::expand(const Step& step) const {
  const Split split(step.rows(), value_up_[0].w->panels(), step.team.threads());
  step.team.run(spec_.heads * split.chunks(), [&](int chunk) {
    const int head = chunk / split.chunks();
    const Rows from = {mixed_.data + std::int64_t{head} * spec_.kv_rank, mixed_.stride};
    const Rows to = {values_.data + std::int64_t{head} * spec_.value_dim, values_.stride};
    run_part(step, {value_up_[static_cast<std::size_t>(head)], to}, f32_activations(from),
             split.part(chunk % split.chunks()));
  });
}

}  // namespace quire::models
