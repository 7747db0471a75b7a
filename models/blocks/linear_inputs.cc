// Finds weights for blocks and prepares what they read.
#include "models/blocks/linear_inputs.h"

#include <algorithm>

namespace quire::models {

Linear find_linear(const BlockSite& site, Slot slot, int index) {
  const kernels::PackedMatrix& w = site.weights.matrix(site.layer, slot, index);
  return {.w = &w, .bias = nullptr, .form = kernels::form_for(w.format, site.arithmetic)};
}

Linear find_linear(const BlockSite& site, Slot slot, Slot bias) {
  Linear linear = find_linear(site, slot);
  if (site.weights.has(site.layer, bias)) {
    linear.bias = site.weights.vector(site.layer, bias).data();
  }
  return linear;
}

void LinearInputs::add_reader(const Linear& reader) {
  CHECK(cols_ == 0 || cols_ == reader.w->cols, "inputs of {} and {}", cols_, reader.w->cols);
  cols_ = reader.w->cols;
  if (reader.form.kind == kernels::ActivationForm::Kind::kF32) return;
  if (std::ranges::find(copies_, reader.form, &Copy::form) == copies_.end()) {
    copies_.push_back({.form = reader.form});
  }
}

void LinearInputs::carve(Carver& carver, std::int64_t rows_max) {
  for (Copy& copy : copies_) {
    copy.data = carver.take<std::byte>(rows_max * kernels::activation_row_bytes(copy.form, cols_));
  }
}

void LinearInputs::prepare(const kernels::Kernels& kernels, Rows x, std::int64_t begin,
                           std::int64_t rows) const {
  for (const Copy& copy : copies_) {
    const std::int64_t stride = kernels::activation_row_bytes(copy.form, cols_);
    kernels.prepare({.form = copy.form,
                     .x = x.at(begin),
                     .x_stride = x.stride,
                     .rows = rows,
                     .cols = cols_,
                     .out = copy.data + begin * stride,
                     .out_stride_bytes = stride});
  }
}

kernels::Activations LinearInputs::activations(const Linear& reader, Rows x) const {
  if (reader.form.kind == kernels::ActivationForm::Kind::kF32) return f32_activations(x);
  const auto copy = std::ranges::find(copies_, reader.form, &Copy::form);
  CHECK(copy != copies_.end(), "a linear that is not a reader of these inputs");
  return {.form = copy->form,
          .data = copy->data,
          .stride_bytes = kernels::activation_row_bytes(copy->form, cols_)};
}

}  // namespace quire::models
