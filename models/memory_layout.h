// Where a spec's layers keep their keys, values and recurrent states inside pages and state slots.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/paged_kv.h"
#include "models/model.h"
#include "models/spec.h"

namespace quire::models {

// One layer's part of the page memory. group -1: the layer keeps no keys.
struct KvSite {
  int group = -1;
  kernels::KvLayout layout;
  std::int64_t layer_offset = 0;  // inside a page, bytes
  std::int64_t window = 0;
};

struct MemoryLayout {
  std::vector<KvGroup> groups;              // by first layer
  std::vector<KvSite> kv;                   // [L]
  std::vector<std::int64_t> state_offsets;  // [L], bytes inside a slot; -1: no state
  std::int64_t state_bytes = 0;             // of one slot, a multiple of 64
};

MemoryLayout memory_layout_of(const DecoderSpec& spec, const ModelOptions& options);

// A recurrent layer's part of a slot: the convolution history [taps - 1, channels], then the state
// of each head, then zeros up to a multiple of 64 bytes.
struct StateShape {
  std::int64_t conv_floats = 0, state_floats = 0;
  std::int64_t floats() const;
};
StateShape state_shape(const Mamba2& mixer);
StateShape state_shape(const GatedDelta& mixer);

}  // namespace quire::models
