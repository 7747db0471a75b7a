// Two regions: gate, up and activation by column parts; down.
#include "models/blocks/gated_mlp.h"

namespace quire::models {

kernels::Unary unary_of(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return kernels::Unary::kSilu;
    case Activation::kGeluTanh:
      return kernels::Unary::kGeluTanh;
    case Activation::kGeluErf:
      return kernels::Unary::kGeluErf;
    case Activation::kRelu:
      return kernels::Unary::kRelu;
    case Activation::kRelu2:
      return kernels::Unary::kRelu2;
  }
  CHECK(false, "activation {}", static_cast<int>(activation));
}

void run_gated_part(const Step& step, const GatedPair& pair, const Part& part) {
  run_part(step, pair.gate, pair.gate_x, part);
  run_part(step, pair.up, pair.up_x, part);
  for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
    float* gate = pair.gate.y.at(row) + part.column();
    step.kernels.activate({.function = pair.activation,
                           .x = gate,
                           .times = pair.up.y.at(row) + part.column(),
                           .out = gate,
                           .count = part.columns(pair.gate.linear.w->rows)});
  }
}

GatedMlpBlock::GatedMlpBlock(const GatedMlp& spec, const BlockSite& site, const Slots& slots)
    : site_(site),
      inner_(spec.inner),
      activation_(unary_of(spec.activation)),
      gate_(find_linear(site, slots.gate, slots.gate_bias)),
      up_(find_linear(site, slots.up, slots.up_bias)),
      down_(find_linear(site, slots.down, slots.down_bias)),
      in_({gate_, up_}),
      gated_in_({down_}) {}

void GatedMlpBlock::carve(Carver& carver) {
  gated_ = carver.rows(site_.rows_max, inner_);
  upper_ = carver.rows(site_.rows_max, inner_);
  in_.carve(carver, site_.rows_max);
  gated_in_.carve(carver, site_.rows_max);
}

void GatedMlpBlock::forward(const Step& step, const BlockInput& in, const TensorView& y,
                            kernels::Store store) const {
  ShapeScope shape("gated_mlp");
  shape.bind('D', site_.hidden).check(in.x, "T D").check(y, "T D");
  const LinearSource source = source_of(in_, in);
  const GatedPair pair = {{gate_, gated_},
                          {up_, upper_},
                          source.activations(gate_),
                          source.activations(up_),
                          activation_};
  const Split split(source.rows, gate_.w->panels(), step.team.threads());
  const SourcePhase prepare(step, source);
  const auto multiply = [&](int chunk) { run_gated_part(step, pair, split.part(chunk)); };
  step.team.run_phases({{prepare.chunks(), prepare}, {split.chunks(), multiply}});
  run_linears(step, {gated_in_, gated_, source.rows}, {{down_, rows_of(y), store}});
}

}  // namespace quire::models
