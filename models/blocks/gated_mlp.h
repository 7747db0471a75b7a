// Gated feed-forward: down(activation(gate x) * (up x)).
#pragma once

#include "models/blocks/linear.h"

namespace quire::models {

kernels::Unary unary_of(Activation activation);

// act(gate x) * (up x) of one part, into `gate.y`; `up.y` is scratch of the same shape.
struct GatedPair {
  LinearTask gate, up;
  kernels::Activations gate_x, up_x;  // the same rows in the forms of the two
  kernels::Unary activation = kernels::Unary::kSilu;
};
void run_gated_part(const Step& step, const GatedPair& pair, const Part& part);

class GatedMlpBlock {
 public:
  struct Slots {
    Slot gate = Slot::kGate, up = Slot::kUp, down = Slot::kDown;
    Slot gate_bias = Slot::kGateBias, up_bias = Slot::kUpBias, down_bias = Slot::kDownBias;
  };
  GatedMlpBlock(const GatedMlp& spec, const BlockSite& site, const Slots& slots);
  GatedMlpBlock(const GatedMlp& spec, const BlockSite& site) : GatedMlpBlock(spec, site, Slots{}) {}
  void carve(Carver& carver);
  // y (set or add) mlp of its input; y [T, D].
  void forward(const Step& step, const BlockInput& in, const TensorView& y,
               kernels::Store store) const;

 private:
  BlockSite site_;
  std::int64_t inner_;
  kernels::Unary activation_;
  Linear gate_, up_, down_;
  LinearInputs in_, gated_in_;
  Rows gated_, upper_;  // [T, F]
};

}  // namespace quire::models
