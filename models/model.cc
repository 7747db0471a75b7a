// The model: spec, weights, memory layout and decoder behind one interface.
#include "models/model.h"

#include <algorithm>
#include <utility>

#include "models/decoder.h"
#include "models/memory_layout.h"

namespace quire::models {
namespace {

std::size_t need_bytes(const SlotNeed& need, const Weights& weights, int layer) {
  const std::int64_t cols = std::max<std::int64_t>(need.cols, 1);
  if (need.kind == WeightKind::kVector) {
    return static_cast<std::size_t>(need.rows * cols) * sizeof(float);
  }
  return kernels::packed_bytes(weights.matrix(layer, need.slot).format, need.rows, cols);
}

std::size_t step_bytes(const DecoderSpec& spec, const Weights& weights) {
  std::size_t bytes = 0;
  for (int layer = -1; layer < static_cast<int>(spec.layers.size()); ++layer) {
    for (const SlotNeed& need : slot_needs(spec, layer)) {
      bytes += need_bytes(need, weights, layer) * static_cast<std::size_t>(need.read_per_token);
    }
  }
  return bytes;
}

}  // namespace

struct Model::Impl {
  Impl(DecoderSpec spec_in, Weights weights_in, const ModelOptions& options)
      : spec(std::move(spec_in)),
        weights(std::move(weights_in)),
        layout(memory_layout_of(spec, options)),
        step_weight_bytes(step_bytes(spec, weights)),
        decoder(spec, weights, layout, options) {}

  const DecoderSpec spec;
  const Weights weights;
  const MemoryLayout layout;
  const std::size_t step_weight_bytes;
  Decoder decoder;
};

Model::Model(DecoderSpec spec, Weights weights, const ModelOptions& options)
    : impl_(std::make_unique<Impl>(std::move(spec), std::move(weights), options)) {}
Model::~Model() = default;

const DecoderSpec& Model::spec() const { return impl_->spec; }
std::int64_t parameter_count(const DecoderSpec& spec) {
  std::int64_t count = 0;
  for (int layer = -1; layer < static_cast<int>(spec.layers.size()); ++layer) {
    for (const SlotNeed& need : slot_needs(spec, layer)) {
      count += need.rows * std::max<std::int64_t>(need.cols, 1) * need.count;
    }
  }
  return count;
}

std::span<const KvGroup> Model::kv_groups() const { return impl_->layout.groups; }
int Model::length_class(std::int64_t length_max) const {
  return impl_->decoder.length_class(length_max);
}
std::int64_t Model::state_bytes() const { return impl_->layout.state_bytes; }
std::size_t Model::weight_bytes() const { return impl_->weights.bytes(); }
std::size_t Model::step_weight_bytes() const { return impl_->step_weight_bytes; }

void Model::forward(const StepInput& step, const StepMemory& memory, Team& team, float* logits) {
  impl_->decoder.forward(step, memory, team, logits);
}

}  // namespace quire::models
