// What recurrent layers share: segments between saved states, and the short convolution.
#pragma once

#include <cstring>
#include <vector>

#include "models/blocks/step.h"

namespace quire::models {

// A contiguous part of a layer's state, the same in every slot.
struct StatePart {
  std::int64_t offset_bytes = 0;  // inside a slot
  std::int64_t floats = 0;

  float* at(const Step& step, std::int32_t slot) const {
    return step.memory.states.at(slot, offset_bytes);
  }
};

// The state of head `head` of `heads` equal ones. The last one owns the layer's padding too, so
// that a saved slot equals the working slot in every byte.
StatePart head_state(const BlockSite& site, const StateShape& shape, std::int64_t head,
                     std::int64_t heads);

// Runs run(row_begin, rows) over the rows of a sequence (flat row numbers), cut behind each row
// whose state is to be saved, and save(slot) after each such row.
template <class Run, class Save>
void run_segments(const SequenceInput& sequence, const Run& run, const Save& save) {
  int begin = 0;
  for (const StateSave& at : sequence.state_saves) {
    if (at.row >= begin) run(sequence.row_begin + begin, at.row + 1 - begin);
    begin = at.row + 1;
    save(at.slot);
  }
  if (begin < sequence.row_count) {
    run(sequence.row_begin + begin, sequence.row_count - begin);
  }
}

// The same for a part of the state that the task owns alone: saving copies it.
template <class Run>
void run_segments(const Step& step, const SequenceInput& sequence, const StatePart& part,
                  const Run& run) {
  float* state = part.at(step, sequence.state_slot);
  run_segments(
      sequence, [&](std::int64_t row, std::int64_t rows) { run(state, row, rows); },
      [&](std::int32_t slot) {
        std::memcpy(part.at(step, slot), state,
                    static_cast<std::size_t>(part.floats) * sizeof(float));
      });
}

// Depthwise causal convolution with silu over the rows of each sequence; the last taps - 1 inputs
// of every channel are state, [taps - 1, C] at `state_offset`.
class ShortConv {
 public:
  struct Shape {
    std::int64_t taps = 0, channels = 0;
  };
  ShortConv() = default;
  ShortConv(const BlockSite& site, const Shape& shape);
  // x, y [T, C], apart. One region.
  void run(const Step& step, Rows x, Rows y) const;

 private:
  // Input and output from channel `first` on.
  struct Columns {
    Rows x, y;
    std::int64_t first = 0;
  };
  void run_columns(const Step& step, const SequenceInput& sequence, const Columns& columns) const;

  Shape shape_;
  std::int64_t state_offset_ = 0;
  std::vector<float> weight_;  // blocks of channels, each [taps, channels of the block]
  const float* bias_ = nullptr;
};

}  // namespace quire::models
