// How keys, values and recurrent states lie in memory: the views that cache hands to the kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace quire::kernels {

// Geometry of one layer's part of a page. A page of G tokens holds for each kv head first the keys
// [G, E_k], then the values [G, E_v]; with value_dim 0 the values are the first `latent_value_dim`
// numbers of each key (latent attention).
struct KvLayout {
  DType dtype = DType::kF32;  // f32 or bf16
  int kv_heads = 0;           // K
  int key_dim = 0;            // E_k
  int value_dim = 0;          // E_v
  int latent_value_dim = 0;   // read width of a value when value_dim is 0
  int page_tokens = 0;        // G, a multiple of 16

  std::int64_t token_bytes() const {
    return static_cast<std::int64_t>(kv_heads) * (key_dim + value_dim) * dtype_bytes(dtype);
  }
  std::int64_t layer_page_bytes() const { return token_bytes() * page_tokens; }
  int value_read_dim() const { return value_dim == 0 ? latent_value_dim : value_dim; }
};

// The pages of one sequence in one layer. Position p lies in page table[p / G], slot p % G.
struct PagedKv {
  KvLayout layout;
  std::byte* base = nullptr;            // of the group's page memory
  std::int64_t page_bytes = 0;          // from one page to the next, all layers of the group
  std::int64_t layer_offset = 0;        // of this layer inside a page, bytes
  const std::int32_t* table = nullptr;  // page indices, -1 where freed behind the window

  std::byte* page(std::int64_t position) const {
    return base + table[position / layout.page_tokens] * page_bytes + layer_offset;
  }
};

// All recurrent states: slot s holds the states of every recurrent layer, f32.
struct StateSlots {
  std::byte* base = nullptr;
  std::int64_t slot_bytes = 0;

  float* at(std::int32_t slot, std::int64_t layer_offset_bytes) const {
    return reinterpret_cast<float*>(base + slot * slot_bytes + layer_offset_bytes);
  }
};

}  // namespace quire::kernels
