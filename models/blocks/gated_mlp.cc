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

void run_gated_part(const kernels::Kernels& kernels, const GatedPair& pair, const Part& part) {
  run_part(kernels, pair.gate, part);
  run_part(kernels, pair.up, part);
  for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
    float* gate = pair.gate.y.at(row) + part.column();
    kernels.activate({.function = pair.activation,
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
      gate_(find_linear(site.weights, site.layer, slots.gate, slots.gate_bias)),
      up_(find_linear(site.weights, site.layer, slots.up, slots.up_bias)),
      down_(find_linear(site.weights, site.layer, slots.down, slots.down_bias)) {}

void GatedMlpBlock::carve(Carver& carver) {
  gated_ = carver.rows(site_.rows_max, inner_);
  upper_ = carver.rows(site_.rows_max, inner_);
}

void GatedMlpBlock::forward(const Step& step, const TensorView& x, const TensorView& y,
                            kernels::Store store) const {
  ShapeScope shape("gated_mlp");
  shape.bind('D', site_.hidden).check(x, "T D").check(y, "T D");
  const std::int64_t rows = x.dim(0);
  const Rows in = rows_of(x);
  const GatedPair pair = {{gate_, in, gated_}, {up_, in, upper_}, activation_};
  const Split split(rows, gate_.w->panels(), step.team.threads());
  step.team.run(split.chunks(),
                [&](int chunk) { run_gated_part(step.kernels, pair, split.part(chunk)); });
  run_linears(step, rows, {{down_, gated_, rows_of(y), store}});
}

}  // namespace quire::models
