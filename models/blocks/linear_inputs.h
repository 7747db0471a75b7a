// Weights of a linear layer, and its inputs in the forms that the weights want.
#pragma once

#include <initializer_list>
#include <vector>

#include "models/blocks/step.h"

namespace quire::models {

struct Linear {
  const kernels::PackedMatrix* w = nullptr;  // [N, K]
  const float* bias = nullptr;               // [N] or null
  kernels::ActivationForm form = {};         // of its inputs
};
Linear find_linear(const BlockSite& site, Slot slot, int index = 0);
// `bias` is looked up only if the layer has it.
Linear find_linear(const BlockSite& site, Slot slot, Slot bias);

// f32 rows as activations.
inline kernels::Activations f32_activations(Rows x) {
  return {.form = {},
          .data = reinterpret_cast<const std::byte*>(x.data),
          .stride_bytes = x.stride * static_cast<std::int64_t>(sizeof(float))};
}

// Scratch for the rows that a group of linears reads, one copy for each form but f32.
class LinearInputs {
 public:
  LinearInputs() = default;
  explicit LinearInputs(std::initializer_list<Linear> readers) {
    for (const Linear& reader : readers) add_reader(reader);
  }
  void add_reader(const Linear& reader);  // all have the same K
  void carve(Carver& carver, std::int64_t rows_max);

  bool is_prepared() const { return !copies_.empty(); }
  // Writes the copies of rows [begin, begin + rows) of x.
  void prepare(const kernels::Kernels& kernels, Rows x, std::int64_t begin,
               std::int64_t rows) const;
  // What `reader` reads for row 0 on; x itself when it wants f32.
  kernels::Activations activations(const Linear& reader, Rows x) const;

 private:
  struct Copy {
    kernels::ActivationForm form;
    std::byte* data = nullptr;
  };
  std::int64_t cols_ = 0;
  std::vector<Copy> copies_;
};

}  // namespace quire::models
