// Three regions: projections, norm, rope and page writes; scores; output.
#include "models/blocks/attention.h"

#include "models/blocks/rope.h"

namespace quire::models {

AttentionBlock::AttentionBlock(const Attention& spec, const BlockSite& site)
    : spec_(spec),
      site_(site),
      q_width_(std::int64_t{spec.heads} * spec.head_dim),
      kv_width_(std::int64_t{spec.kv_heads} * spec.head_dim),
      q_(find_linear(site, Slot::kQ, Slot::kQBias)),
      k_(find_linear(site, Slot::kK, Slot::kKBias)),
      v_(find_linear(site, Slot::kV, Slot::kVBias)),
      o_(find_linear(site, Slot::kO, Slot::kOBias)),
      in_({q_, k_, v_}),
      mixed_in_({o_}),
      q_norm_(bind_norm(spec.q_norm, spec.head_dim, site.weights, site.layer, Slot::kQNorm)),
      k_norm_(bind_norm(spec.k_norm, spec.head_dim, site.weights, site.layer, Slot::kKNorm)),
      attention_(site.kv, spec.heads, {.scale = spec.scale, .softcap = spec.softcap}) {}

void AttentionBlock::carve(Carver& carver) {
  projected_ = carver.rows(site_.rows_max, spec_.output_gate ? 2 * q_width_ : q_width_);
  queries_ = spec_.output_gate ? carver.rows(site_.rows_max, q_width_) : projected_;
  keys_ = carver.rows(site_.rows_max, kv_width_);
  values_ = carver.rows(site_.rows_max, kv_width_);
  mixed_ = carver.rows(site_.rows_max, q_width_);
  in_.carve(carver, site_.rows_max);
  mixed_in_.carve(carver, site_.rows_max);
  attention_.carve(carver);
}

void AttentionBlock::forward(const Step& step, const BlockInput& in, const TensorView& y,
                             kernels::Store store) const {
  ShapeScope("attention")
      .bind('T', step.rows())
      .bind('D', site_.hidden)
      .check(in.x, "T D")
      .check(y, "T D");
  const auto place = [&](int chunk) {
    place_rows(step, step.blocks[static_cast<std::size_t>(chunk)]);
  };
  const Team::Phase after = {static_cast<int>(step.blocks.size()), place};
  run_linears(step, source_of(in_, in), {{q_, projected_}, {k_, keys_}, {v_, values_}}, &after);
  attention_.run(step, queries_, mixed_);
  if (spec_.output_gate) gate_rows(step);
  run_linears(step, {mixed_in_, mixed_, step.rows()}, {{o_, rows_of(y), store}});
}

// Norms and rotates the queries and keys of a block of rows and writes its keys and values.
void AttentionBlock::place_rows(const Step& step, const RowBlock& block) const {
  const std::int64_t head = spec_.head_dim;
  const std::int64_t q_stride = spec_.output_gate ? 2 * head : head;
  apply_norm(step.kernels, q_norm_, {projected_.at(block.row), q_stride},
             {queries_.at(block.row), head}, std::int64_t{block.rows} * spec_.heads);
  const Rows keys = {keys_.at(block.row), head};
  apply_norm(step.kernels, k_norm_, keys, keys, std::int64_t{block.rows} * spec_.kv_heads);
  if (spec_.has_rope) {
    for (std::int64_t row = block.row; row < block.row + block.rows; ++row) {
      rotate(step, site_.rope, spec_.rope.interleaved, row, {queries_.at(row), spec_.heads, head});
      rotate(step, site_.rope, spec_.rope.interleaved, row, {keys_.at(row), spec_.kv_heads, head});
    }
  }
  step.kernels.kv_write({.kv = paged_kv(step, site_.kv, block.sequence),
                         .k = keys_.at(block.row),
                         .k_stride = keys_.stride,
                         .v = values_.at(block.row),
                         .v_stride = values_.stride,
                         .rows = block.rows,
                         .position = block.position});
}

// mixed *= sigmoid(gate), the gate being the second half of each projected head.
void AttentionBlock::gate_rows(const Step& step) const {
  const std::int64_t head = spec_.head_dim;
  run_rows(step.team, step.rows(), RowBlock::kRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t i = begin * spec_.heads; i < (begin + rows) * spec_.heads; ++i) {
      float* mixed = mixed_.data + i * head;
      step.kernels.activate({.function = kernels::Unary::kSigmoid,
                             .x = projected_.data + (2 * i + 1) * head,
                             .times = mixed,
                             .out = mixed,
                             .count = head});
    }
  });
}

}  // namespace quire::models
