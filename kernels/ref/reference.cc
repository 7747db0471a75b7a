// Double-precision references of products, norms and reductions.
#include "kernels/ref/reference.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/packed_layout.h"

namespace quire::kernels::ref {

namespace {

double float_at(const std::byte* p, DType dtype) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, p, static_cast<std::size_t>(dtype_bytes(dtype)));
  if (dtype == DType::kBf16) return bf16_to_f32(static_cast<std::uint16_t>(bits));
  if (dtype == DType::kF16) return f16_to_f32(static_cast<std::uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

}  // namespace

Weight weight_parts(const PackedMatrix& w, std::int64_t n, std::int64_t k) {
  using Kind = PackedFormat::Kind;
  const std::byte* panel = w.data + n / kPanelRows * panel_bytes(w.format, w.cols);
  const WeightPlace place = weight_place(w.format, w.cols, static_cast<int>(n % kPanelRows), k);
  const int byte = std::to_integer<int>(panel[place.code]);
  switch (w.format.kind) {
    case Kind::kF32:
      return {float_at(panel + place.code, DType::kF32), 0};
    case Kind::kF16:
      return {float_at(panel + place.code, DType::kF16), 0};
    case Kind::kBf16:
      return {float_at(panel + place.code, DType::kBf16), 0};
    case Kind::kInt8:
      return {(byte - 128) * float_at(panel + place.scale, DType::kF32), 0};
    case Kind::kAffine4:
    case Kind::kAffine8:
      break;
  }
  const int code = w.format.kind == Kind::kAffine4 ? byte >> place.shift & 15 : byte;
  return {code * float_at(panel + place.scale, w.format.scale_dtype),
          float_at(panel + place.bias, w.format.scale_dtype)};
}

double weight_at(const PackedMatrix& w, std::int64_t n, std::int64_t k) {
  const Weight weight = weight_parts(w, n, k);
  return weight.scaled + weight.bias;
}

double activation_at(const Activations& x, std::int64_t cols, std::int64_t row, std::int64_t k) {
  const std::byte* data = x.row(row);
  switch (x.form.kind) {
    case ActivationForm::Kind::kF32:
      return float_at(data + 4 * k, DType::kF32);
    case ActivationForm::Kind::kBf16:
      return float_at(data + 2 * k, DType::kBf16);
    case ActivationForm::Kind::kInt8:
      return std::to_integer<std::int8_t>(data[k]) *
             float_at(data + int8_codes_bytes(cols) + k / x.form.group * 4, DType::kF32);
  }
  CHECK(false, "activations of form {}", static_cast<int>(x.form.kind));
}

Estimate matmul(const Matmul& task) {
  Estimate e;
  const PackedMatrix& w = *task.w;
  for (std::int64_t t = 0; t < task.rows; ++t) {
    for (std::int64_t n = 0; n < w.rows; ++n) {
      double sum = 0, size = 0;
      const auto take = [&](double term) {
        sum += term;
        size += std::fabs(term);
      };
      for (std::int64_t k = 0; k < w.cols; ++k) {
        const double x = activation_at(task.x, w.cols, t, k);
        const Weight weight = weight_parts(w, n, k);
        take(x * weight.scaled);
        take(x * weight.bias);
      }
      if (task.bias != nullptr) take(task.bias[n]);
      if (task.store == Store::kAdd) take(task.y[t * task.y_stride + n]);
      e.value.push_back(sum);
      // A quantized weight or activation is itself off by 3 u; a flushed result by 2^-126.
      const auto steps = static_cast<double>(w.cols + 6);
      e.slack.push_back(steps * (kUnit * size + 0x1p-126));
    }
  }
  return e;
}

Estimate norm(const Norm& task, Centered centered) {
  Estimate e;
  const std::int64_t count = task.width / task.groups;
  const auto n = static_cast<double>(count);
  for (std::int64_t i = 0; i < task.rows * task.groups; ++i) {
    const std::int64_t begin = i % task.groups * count;
    const float* x = task.x + i / task.groups * task.x_stride + begin;
    double sum = 0, size = 0, squares = 0;
    for (std::int64_t k = 0; k < count; ++k) {
      sum += x[k];
      size += std::fabs(x[k]);
    }
    const double mean = centered == Centered::kYes ? sum / n : 0;
    const double mean_slack = centered == Centered::kYes ? (n + 2) * kUnit * size / n : 0;
    for (std::int64_t k = 0; k < count; ++k) squares += (x[k] - mean) * (x[k] - mean);
    const double inverse = 1 / std::sqrt(squares / n + task.eps);
    // The variance is off by n u of itself and by what the mean's error adds, its root by half.
    const double relative =
        (n / 2 + 6) * kUnit + mean_slack * mean_slack * inverse * inverse + mean_slack * inverse;
    for (std::int64_t k = 0; k < count; ++k) {
      const double w =
          task.weight == nullptr ? 1 : double{task.weight[begin + k]} + task.weight_offset;
      const double bias = task.bias == nullptr ? 0 : task.bias[begin + k];
      const double scaled = (x[k] - mean) * inverse * w;
      e.value.push_back(scaled + bias);
      e.slack.push_back(std::fabs(scaled) * (relative + 6 * kUnit) + std::fabs(bias) * kUnit +
                        (mean_slack + std::fabs(x[k]) * kUnit) * inverse * std::fabs(w));
    }
  }
  return e;
}

Estimate softmax(const float* x, std::int64_t count) {
  Estimate e;
  double largest = -INFINITY, sum = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::fmax(largest, x[i]);
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(x[i] - largest);
  for (std::int64_t i = 0; i < count; ++i) {
    const double p = std::exp(x[i] - largest) / sum;
    // The rounding of x - max moves the exponential by that much, relatively.
    const double moved = (std::fabs(x[i] - largest) + 4) * kUnit;
    e.value.push_back(p);
    e.slack.push_back(p * (moved + static_cast<double>(count) * kUnit + 8 * kUnit) + 0x1p-126);
  }
  return e;
}

Estimate log_sum(const float* x, std::int64_t count) {
  double largest = -INFINITY, sum = 0, moved = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::fmax(largest, x[i]);
  for (std::int64_t i = 0; i < count; ++i) {
    const double term = std::exp(x[i] - largest);
    sum += term;
    moved += term * (std::fabs(x[i] - largest) + 4) * kUnit;
  }
  const double value = largest + std::log(sum);
  const double slack = moved / sum + (static_cast<double>(count) + 4) * kUnit +
                       4 * kUnit * (std::fabs(largest) + std::fabs(value));
  return {{value}, {slack}};
}

}  // namespace quire::kernels::ref
