// How keys, values and recurrent states lie in memory: the views that cache hands to the kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace quire::kernels {

// Geometry of one layer's part of a page. Everything lies in 32-bit words of `packed()` elements,
// sixteen words (64 bytes) to a vector, so that a kernel reads whole vectors in the order in which
// it uses them. A page of G tokens holds for each kv head, one after the other:
//   keys    [G / 16][ceil(E_k / packed)][16 tokens][packed]   lanes are tokens
//   values  [G / packed][E_v'][packed tokens]                 lanes are elements
//   scales  f32 [G] of the keys, then [G] of the values; i8 only
// E_v' is E_v rounded up to a multiple of 16. The padding may hold anything finite. packed is 1 for
// f32, 2 for bf16, 4 for i8. An i8 key is stored as code + 128 (u8), an i8 value as its code (s8);
// the number is code * scale. With value_dim 0 there is no value part: the values are the first
// `latent_value_dim` numbers of each key (latent attention).
struct KvLayout {
  static constexpr int kBlock = 16;  // tokens of a block of keys or values
  DType dtype = DType::kF32;         // f32, bf16 or i8
  int kv_heads = 0;                  // K
  int key_dim = 0;                   // E_k
  int value_dim = 0;                 // E_v
  int latent_value_dim = 0;          // read width of a value when value_dim is 0
  int page_tokens = 0;               // G, a multiple of 16

  int packed() const { return 4 / dtype_bytes(dtype); }
  int value_read_dim() const { return value_dim == 0 ? latent_value_dim : value_dim; }
  // Words of one token's key; elements of one value row with its padding.
  std::int64_t key_words() const { return (key_dim + packed() - 1) / packed(); }
  static std::int64_t padded(std::int64_t elements) { return (elements + 15) / 16 * 16; }
  bool scaled() const { return dtype == DType::kI8; }

  // Bytes of sixteen tokens of one kv head.
  std::int64_t key_block_bytes() const { return key_words() * 64; }
  std::int64_t value_block_bytes() const { return padded(value_dim) * kBlock * dtype_bytes(dtype); }

  // What a token takes in one layer, its share of the padding and the scales included.
  std::int64_t token_bytes() const {
    const std::int64_t scales = !scaled() ? 0 : value_dim == 0 ? 4 : 8;
    return kv_heads * ((key_block_bytes() + value_block_bytes()) / kBlock + scales);
  }
  std::int64_t layer_page_bytes() const { return token_bytes() * page_tokens; }

  // Offsets inside the layer's part of a page; slot is the token's place in the page.
  std::int64_t head_offset(int head) const { return layer_page_bytes() / kv_heads * head; }
  std::int64_t key_block_offset(int head, std::int64_t slot) const {
    return head_offset(head) + slot / kBlock * key_block_bytes();
  }
  std::int64_t value_block_offset(int head, std::int64_t slot) const {
    return head_offset(head) + page_tokens / kBlock * key_block_bytes() +
           slot / kBlock * value_block_bytes();
  }
  std::int64_t key_offset(int head, std::int64_t slot, std::int64_t element) const {
    return key_block_offset(head, slot) + element / packed() * 64 + slot % kBlock * 4 +
           element % packed() * dtype_bytes(dtype);
  }
  // REQUIRES: value_dim > 0.
  std::int64_t value_offset(int head, std::int64_t slot, std::int64_t element) const {
    return value_block_offset(head, slot) +
           (slot % kBlock / packed() * padded(value_dim) + element) * 4 +
           slot % packed() * dtype_bytes(dtype);
  }
  std::int64_t key_scale_offset(int head, std::int64_t slot) const {
    return head_offset(head) + page_tokens / kBlock * (key_block_bytes() + value_block_bytes()) +
           slot * 4;
  }
  std::int64_t value_scale_offset(int head, std::int64_t slot) const {
    return key_scale_offset(head, slot) + std::int64_t{page_tokens} * 4;
  }
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
