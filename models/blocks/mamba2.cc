// Five regions: input projection, convolution, scan by sequence and head, gated norm, output.
#include "models/blocks/mamba2.h"

#include <algorithm>

namespace quire::models {

Mamba2Block::Mamba2Block(const Mamba2& spec, const BlockSite& site)
    : spec_(spec),
      site_(site),
      in_(find_linear(site, Slot::kSsmIn, Slot::kSsmInBias)),
      out_(find_linear(site, Slot::kSsmOut, Slot::kSsmOutBias)),
      inputs_({in_}),
      mixed_in_({out_}),
      conv_(site, {spec.conv_taps, spec.conv_channels()}),
      norm_(bind_norm(spec.gated_norm, spec.inner(), site.weights, site.layer, Slot::kGatedNorm)),
      d_(site.weights.vector(site.layer, Slot::kD).data()),
      dt_bias_(site.weights.vector(site.layer, Slot::kDtBias).data()) {
  CHECK(spec.heads % spec.groups == 0, "{} heads in {} groups", spec.heads, spec.groups);
  norm_.groups = spec.norm_groups;
  for (const float log : site.weights.vector(site.layer, Slot::kALog)) {
    a_.push_back(-kernels::exp_f32(log));
  }
}

void Mamba2Block::carve(Carver& carver) {
  projected_ = carver.rows(site_.rows_max, spec_.inner() + spec_.conv_channels() + spec_.heads);
  convolved_ = carver.rows(site_.rows_max, spec_.conv_channels());
  dt_ = carver.rows(site_.rows_max, spec_.heads);
  decay_ = carver.rows(site_.rows_max, spec_.heads);
  mixed_ = carver.rows(site_.rows_max, spec_.inner());
  inputs_.carve(carver, site_.rows_max);
  mixed_in_.carve(carver, site_.rows_max);
}

void Mamba2Block::forward(const Step& step, const BlockInput& in, const TensorView& y,
                          kernels::Store store) const {
  ShapeScope("mamba2 mixer")
      .bind('T', step.rows())
      .bind('D', site_.hidden)
      .check(in.x, "T D")
      .check(y, "T D");
  run_linears(step, source_of(inputs_, in), {{in_, projected_}});
  conv_.run(step, {projected_.data + spec_.inner(), projected_.stride}, convolved_);
  const int sequences = static_cast<int>(step.input.sequences.size());
  step.team.run(sequences * spec_.heads, [&](int chunk) {
    scan_head(step, step.input.sequences[static_cast<std::size_t>(chunk / spec_.heads)],
              chunk % spec_.heads);
  });
  gate_rows(step);
  run_linears(step, {mixed_in_, mixed_, step.rows()}, {{out_, rows_of(y), store}});
}

void Mamba2Block::scan_head(const Step& step, const SequenceInput& sequence,
                            std::int64_t head) const {
  const std::int64_t dt_column = spec_.inner() + spec_.conv_channels() + head;
  for (int row = sequence.row_begin; row < sequence.row_begin + sequence.row_count; ++row) {
    const float raw = projected_.at(row)[dt_column] + dt_bias_[head];
    const float dt = std::clamp(kernels::softplus_f32(raw), spec_.dt_min, spec_.dt_max);
    dt_.at(row)[head] = dt;
    decay_.at(row)[head] = kernels::exp_f32(a_[static_cast<std::size_t>(head)] * dt);
  }
  const std::int64_t group = head / (spec_.heads / spec_.groups);
  const std::int64_t b = spec_.inner() + group * spec_.state_dim;
  const std::int64_t c = b + std::int64_t{spec_.groups} * spec_.state_dim;
  const StatePart part = head_state(site_, state_shape(spec_), head, spec_.heads);
  run_segments(step, sequence, part, [&](float* state, std::int64_t row, std::int64_t rows) {
    step.kernels.ssd({.x = convolved_.at(row) + head * spec_.head_dim,
                      .x_stride = convolved_.stride,
                      .b = convolved_.at(row) + b,
                      .c = convolved_.at(row) + c,
                      .bc_stride = convolved_.stride,
                      .decay = decay_.at(row) + head,
                      .dt = dt_.at(row) + head,
                      .dt_stride = dt_.stride,
                      .d = d_[head],
                      .y = mixed_.at(row) + head * spec_.head_dim,
                      .y_stride = mixed_.stride,
                      .state = state,
                      .rows = rows,
                      .head_dim = spec_.head_dim,
                      .state_dim = spec_.state_dim});
  });
}

// mixed = norm(mixed * silu(z)).
void Mamba2Block::gate_rows(const Step& step) const {
  run_rows(step.team, step.rows(), RowBlock::kRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t row = begin; row < begin + rows; ++row) {
      step.kernels.activate({.function = kernels::Unary::kSilu,
                             .x = projected_.at(row),
                             .times = mixed_.at(row),
                             .out = mixed_.at(row),
                             .count = spec_.inner()});
    }
    const Rows piece = {mixed_.at(begin), mixed_.stride};
    apply_norm(step.kernels, norm_, piece, piece, rows);
  });
}

}  // namespace quire::models
