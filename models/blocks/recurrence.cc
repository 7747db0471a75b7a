// The convolution is cut along channels: each task carries its own columns of the history.
#include "models/blocks/recurrence.h"

#include <algorithm>

namespace quire::models {
namespace {

constexpr std::int64_t kBlockChannels = 256;

}  // namespace

StatePart head_state(const BlockSite& site, const StateShape& shape, std::int64_t head,
                     std::int64_t heads) {
  const std::int64_t floats = shape.state_floats / heads;
  const std::int64_t begin = shape.conv_floats + head * floats;
  return {.offset_bytes = site.state_offset + begin * static_cast<std::int64_t>(sizeof(float)),
          .floats = head == heads - 1 ? shape.floats() - begin : floats};
}

ShortConv::ShortConv(const BlockSite& site, const Shape& shape)
    : shape_(shape), state_offset_(site.state_offset) {
  const std::span<const float> weight = site.weights.vector(site.layer, Slot::kConv);
  ShapeScope("short_conv")
      .bind('w', shape.taps)
      .bind('c', shape.channels)
      .check(TensorView::f32(const_cast<float*>(weight.data()),
                             {static_cast<std::int64_t>(weight.size())}),
             "w*c");
  // The kernel reads [taps, channels] without gaps, so each block of channels gets its own copy.
  for (std::int64_t begin = 0; begin < shape.channels; begin += kBlockChannels) {
    const std::int64_t end = std::min(begin + kBlockChannels, shape.channels);
    for (std::int64_t tap = 0; tap < shape.taps; ++tap) {
      const auto row = weight.begin() + tap * shape.channels;
      weight_.insert(weight_.end(), row + begin, row + end);
    }
  }
  if (site.weights.has(site.layer, Slot::kConvBias)) {
    bias_ = site.weights.vector(site.layer, Slot::kConvBias).data();
  }
}

void ShortConv::run(const Step& step, Rows x, Rows y) const {
  const auto blocks = static_cast<int>((shape_.channels + kBlockChannels - 1) / kBlockChannels);
  const auto sequences = static_cast<int>(step.input.sequences.size());
  step.team.run(sequences * blocks, [&](int chunk) {
    const std::int64_t first = chunk % blocks * kBlockChannels;
    run_columns(step, step.input.sequences[static_cast<std::size_t>(chunk / blocks)],
                {{x.data + first, x.stride}, {y.data + first, y.stride}, first});
  });
}

void ShortConv::run_columns(const Step& step, const SequenceInput& sequence,
                            const Columns& columns) const {
  const std::int64_t count = std::min(kBlockChannels, shape_.channels - columns.first);
  const auto history = [&](std::int32_t slot) {
    return step.memory.states.at(slot, state_offset_) + columns.first;
  };
  run_segments(
      sequence,
      [&](std::int64_t row, std::int64_t rows) {
        step.kernels.conv1d({.x = columns.x.at(row),
                             .x_stride = columns.x.stride,
                             .y = columns.y.at(row),
                             .y_stride = columns.y.stride,
                             .rows = rows,
                             .channels = count,
                             .taps = shape_.taps,
                             .weight = weight_.data() + columns.first * shape_.taps,
                             .bias = bias_ == nullptr ? nullptr : bias_ + columns.first,
                             .history = history(sequence.state_slot),
                             .history_stride = shape_.channels,
                             .silu = true});
      },
      [&](std::int32_t slot) {
        for (std::int64_t tap = 0; tap < shape_.taps - 1; ++tap) {
          std::memcpy(history(slot) + tap * shape_.channels,
                      history(sequence.state_slot) + tap * shape_.channels,
                      static_cast<std::size_t>(count) * sizeof(float));
        }
      });
}

}  // namespace quire::models
