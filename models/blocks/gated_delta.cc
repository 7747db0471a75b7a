// Six regions: projections, convolution, unit queries and keys, scan by head, gated norm, output.
#include "models/blocks/gated_delta.h"

#include <cmath>

namespace quire::models {
namespace {

constexpr float kUnitEps = 1e-6f;  // added to the sum of squares

}  // namespace

GatedDeltaBlock::GatedDeltaBlock(const GatedDelta& spec, const BlockSite& site)
    : spec_(spec),
      site_(site),
      qkv_(find_linear(site, Slot::kDeltaQkv)),
      z_(find_linear(site, Slot::kDeltaZ)),
      b_(find_linear(site, Slot::kDeltaB)),
      a_(find_linear(site, Slot::kDeltaA)),
      out_(find_linear(site, Slot::kSsmOut)),
      in_({qkv_, z_, b_, a_}),
      mixed_in_({out_}),
      conv_(site, {spec.conv_taps, spec.conv_channels()}),
      norm_(bind_norm(spec.gated_norm, spec.value_dim, site.weights, site.layer, Slot::kGatedNorm)),
      dt_bias_(site.weights.vector(site.layer, Slot::kDtBias).data()) {
  CHECK(spec.value_heads % spec.key_heads == 0, "{} value heads for {} key heads", spec.value_heads,
        spec.key_heads);
  for (const float log : site.weights.vector(site.layer, Slot::kALog)) {
    rate_.push_back(kernels::exp_f32(log));
  }
}

void GatedDeltaBlock::carve(Carver& carver) {
  const std::int64_t values = std::int64_t{spec_.value_heads} * spec_.value_dim;
  projected_ = carver.rows(site_.rows_max, spec_.conv_channels());
  convolved_ = carver.rows(site_.rows_max, spec_.conv_channels());
  gate_ = carver.rows(site_.rows_max, values);
  beta_ = carver.rows(site_.rows_max, spec_.value_heads);
  decay_ = carver.rows(site_.rows_max, spec_.value_heads);
  mixed_ = carver.rows(site_.rows_max, values);
  in_.carve(carver, site_.rows_max);
  mixed_in_.carve(carver, site_.rows_max);
}

void GatedDeltaBlock::forward(const Step& step, const BlockInput& in, const TensorView& y,
                              kernels::Store store) const {
  ShapeScope("gated_delta")
      .bind('T', step.rows())
      .bind('D', site_.hidden)
      .check(in.x, "T D")
      .check(y, "T D");
  run_linears(step, source_of(in_, in),
              {{qkv_, projected_}, {z_, gate_}, {b_, beta_}, {a_, decay_}});
  conv_.run(step, projected_, convolved_);
  normalize_rows(step);
  const int sequences = static_cast<int>(step.input.sequences.size());
  step.team.run(sequences * spec_.value_heads, [&](int chunk) {
    scan_head(step, step.input.sequences[static_cast<std::size_t>(chunk / spec_.value_heads)],
              chunk % spec_.value_heads);
  });
  gate_rows(step);
  run_linears(step, {mixed_in_, mixed_, step.rows()}, {{out_, rows_of(y), store}});
}

// Unit queries times key_dim^-1/2, unit keys.
void GatedDeltaBlock::normalize_rows(const Step& step) const {
  const float scale = 1.0f / std::sqrt(static_cast<float>(spec_.key_dim));
  run_rows(step.team, step.rows(), RowBlock::kRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t row = begin; row < begin + rows; ++row) {
      float* q = convolved_.at(row);
      float* k = q + std::int64_t{spec_.key_heads} * spec_.key_dim;
      step.kernels.l2_norm(q, spec_.key_heads, spec_.key_dim, kUnitEps, scale);
      step.kernels.l2_norm(k, spec_.key_heads, spec_.key_dim, kUnitEps, 1.0f);
    }
  });
}

void GatedDeltaBlock::scan_head(const Step& step, const SequenceInput& sequence,
                                std::int64_t head) const {
  for (int row = sequence.row_begin; row < sequence.row_begin + sequence.row_count; ++row) {
    float& beta = beta_.at(row)[head];
    float& decay = decay_.at(row)[head];
    const float dt = kernels::softplus_f32(decay + dt_bias_[head]);
    beta = kernels::sigmoid_f32(beta);
    decay = kernels::exp_f32(-rate_[static_cast<std::size_t>(head)] * dt);
  }
  const std::int64_t keys = std::int64_t{spec_.key_heads} * spec_.key_dim;
  const std::int64_t key_head = head / (spec_.value_heads / spec_.key_heads);
  const StatePart part = head_state(site_, state_shape(spec_), head, spec_.value_heads);
  run_segments(step, sequence, part, [&](float* state, std::int64_t row, std::int64_t rows) {
    const float* q = convolved_.at(row) + key_head * spec_.key_dim;
    step.kernels.gated_delta({.q = q,
                              .k = q + keys,
                              .qk_stride = convolved_.stride,
                              .v = convolved_.at(row) + 2 * keys + head * spec_.value_dim,
                              .v_stride = convolved_.stride,
                              .decay = decay_.at(row) + head,
                              .beta = beta_.at(row) + head,
                              .gate_stride = decay_.stride,
                              .out = mixed_.at(row) + head * spec_.value_dim,
                              .out_stride = mixed_.stride,
                              .state = state,
                              .rows = rows,
                              .key_dim = spec_.key_dim,
                              .value_dim = spec_.value_dim});
  });
}

// mixed = norm(mixed) * silu(z), the norm per head.
void GatedDeltaBlock::gate_rows(const Step& step) const {
  run_rows(step.team, step.rows(), RowBlock::kRows, [&](std::int64_t begin, std::int64_t rows) {
    const Rows heads = {mixed_.at(begin), spec_.value_dim};
    apply_norm(step.kernels, norm_, heads, heads, rows * spec_.value_heads);
    step.kernels.activate({.function = kernels::Unary::kSilu,
                           .x = gate_.at(begin),
                           .times = mixed_.at(begin),
                           .out = mixed_.at(begin),
                           .count = rows * mixed_.stride});
  });
}

}  // namespace quire::models
