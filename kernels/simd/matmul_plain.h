// Products with packed weights as kernels.h defines them, one output at a time: the specification.
// Included inside the scalar row's namespace.
#pragma once

#include "kernels/simd/body_gather.h"

// One output: row t of x by lane `lane` of panel `panel_idx`.
struct PlainDot {
  const Matmul& m;
  const std::byte* x;
  std::int64_t panel_idx;
  int lane;

  const std::byte* panel() const {
    return m.w->data + panel_idx * panel_bytes(m.w->format, m.w->cols);
  }
};

inline float plain_f32(const PlainDot& d) {
  const auto* x = reinterpret_cast<const float*>(d.x);
  float acc = 0;
  for (std::int64_t k = 0; k < d.m.w->cols; ++k) {
    acc = __builtin_fmaf(x[k], weight_at(*d.m.w, d.panel_idx, d.lane, k), acc);
  }
  return acc;
}

inline float plain_bf16(const PlainDot& d) {
  const auto* x = reinterpret_cast<const std::uint16_t*>(d.x);
  float acc = 0;
  for (std::int64_t k = 0; k < d.m.w->cols; k += 2) {
    const float w0 = weight_at(*d.m.w, d.panel_idx, d.lane, k);
    const float w1 = weight_at(*d.m.w, d.panel_idx, d.lane, k + 1);
    acc = __builtin_fmaf(bf16_to_f32(x[k]), w0, __builtin_fmaf(bf16_to_f32(x[k + 1]), w1, acc));
  }
  return acc;
}

inline float plain_int8(const PlainDot& d) {
  const PackedFormat& format = d.m.w->format;
  const std::int64_t cols = d.m.w->cols, groups = group_count(d.m.x.form, cols);
  const auto* codes = reinterpret_cast<const std::int8_t*>(d.x);
  const auto* scale = reinterpret_cast<const float*>(d.x + int8_codes_bytes(cols));
  const float* scaled_sum = scale + groups;
  float acc = 0;
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t begin = g * format.group;
    std::int32_t dot = 0;
    for (std::int64_t k = begin; k < cols && k < begin + format.group; ++k) {
      dot += codes[k] * code_at(d.panel(), format, weight_place(format, cols, d.lane, k));
    }
    if (format.kind == PackedFormat::Kind::kInt8) {
      acc = __builtin_fmaf(static_cast<float>(dot), scale[g], acc);
      continue;
    }
    const WeightPlace place = weight_place(format, cols, d.lane, begin);
    const float w_scale = float_at(d.panel() + place.scale, format.scale_dtype);
    const float w_bias = float_at(d.panel() + place.bias, format.scale_dtype);
    acc = __builtin_fmaf(static_cast<float>(dot), w_scale * scale[g], acc);
    acc = __builtin_fmaf(w_bias, scaled_sum[g], acc);
  }
  if (format.kind == PackedFormat::Kind::kInt8) {
    acc *= float_at(d.panel() + weight_place(format, cols, d.lane, 0).scale, DType::kF32);
  }
  return acc;
}

inline float plain_dot(const PlainDot& d) {
  switch (d.m.x.form.kind) {
    case ActivationForm::Kind::kF32:
      return plain_f32(d);
    case ActivationForm::Kind::kBf16:
      return plain_bf16(d);
    case ActivationForm::Kind::kInt8:
      return plain_int8(d);
  }
  CHECK(false, "activations of form {}", static_cast<int>(d.m.x.form.kind));
}

void matmul(const Matmul& m) {
  DCHECK(0 <= m.panel_begin && m.panel_end <= m.w->panels(), "panels [{}, {}) of {}", m.panel_begin,
         m.panel_end, m.w->panels());
  for (std::int64_t t = 0; t < m.rows; ++t) {
    for (std::int64_t n = m.panel_begin * kPanelRows; n < m.w->rows && n < m.panel_end * kPanelRows;
         ++n) {
      float sum = plain_dot({m, m.x.row(t), n / kPanelRows, static_cast<int>(n % kPanelRows)});
      if (m.bias != nullptr) sum += m.bias[n];
      float* y = m.y + t * m.y_stride + n;
      *y = m.store == Store::kAdd ? *y + sum : sum;
    }
  }
}
