// Error and time of int8 activations by the size of their groups, on inputs with outlier channels:
// what PackedFormat::kInt8Group rests on.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/float_mode.h"
#include "base/rng.h"
#include "kernels/kernels.h"

namespace quire::kernels {
namespace {

constexpr std::int64_t kRows = 16, kOutputs = 128, kCols = 4096;  // T, N, K
constexpr std::int64_t kOutliersPerThousand = 1;                  // channels at kOutlier times
constexpr float kOutlier = 50;

struct alignas(64) Line {
  std::byte bytes[64];
};
// 64-byte aligned.
std::vector<Line> lines(std::int64_t bytes) {
  return std::vector<Line>(static_cast<std::size_t>((bytes + 63) / 64));
}

float normal(Rng& rng) {
  const double radius = std::sqrt(-2 * std::log(1 - rng.uniform()));
  return static_cast<float>(radius * std::cos(2 * M_PI * rng.uniform()));
}

std::vector<float> activations(Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(kRows * kCols));
  for (float& v : x) v = normal(rng);
  for (std::int64_t i = 0; i < kCols * kOutliersPerThousand / 1000; ++i) {
    const auto channel = static_cast<std::int64_t>(rng.below(kCols));
    for (std::int64_t t = 0; t < kRows; ++t)
      x[static_cast<std::size_t>(t * kCols + channel)] *= kOutlier;
  }
  return x;
}

// Products in double: y [T, N] of x [T, K] and w [N, K].
std::vector<double> exact_product(const std::vector<float>& x, const std::vector<float>& w) {
  std::vector<double> y;
  for (std::int64_t t = 0; t < kRows; ++t) {
    for (std::int64_t n = 0; n < kOutputs; ++n) {
      double sum = 0;
      for (std::int64_t k = 0; k < kCols; ++k)
        sum += double{x[static_cast<std::size_t>(t * kCols + k)]} *
               w[static_cast<std::size_t>(n * kCols + k)];
      y.push_back(sum);
    }
  }
  return y;
}

// Root of the mean square of the difference over that of `want`.
double relative_error(const std::vector<double>& want, const std::vector<double>& got) {
  double off = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    off += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(off / size);
}

// Rows of x in int8 groups.
struct Coded {
  Coded(const std::vector<float>& x, int group)
      : form{ActivationForm::Kind::kInt8, group},
        stride(activation_row_bytes(form, kCols)),
        memory(lines(kRows * stride)) {
    kernels(best_isa())
        .prepare({.form = form,
                  .x = x.data(),
                  .x_stride = kCols,
                  .rows = kRows,
                  .cols = kCols,
                  .out = memory.data()->bytes,
                  .out_stride_bytes = stride});
  }
  // The values that the codes stand for.
  std::vector<float> decoded() const {
    std::vector<float> x;
    for (std::int64_t t = 0; t < kRows; ++t) {
      const std::byte* row = memory.data()->bytes + t * stride;
      const auto* codes = reinterpret_cast<const std::int8_t*>(row);
      const auto* scale = reinterpret_cast<const float*>(row + int8_codes_bytes(kCols));
      for (std::int64_t k = 0; k < kCols; ++k)
        x.push_back(static_cast<float>(codes[k]) * scale[k / form.group]);
    }
    return x;
  }

  ActivationForm form;
  std::int64_t stride;
  std::vector<Line> memory;
};

struct Packed {
  Packed(const std::vector<float>& w, const PackedFormat& format)
      : memory(lines(static_cast<std::int64_t>(packed_bytes(format, kOutputs, kCols)))),
        view{memory.data()->bytes, format, kOutputs, kCols} {
    pack_rows(
        {reinterpret_cast<const std::byte*>(w.data()), DType::kF32, kOutputs, kCols, kCols, 1}, 0,
        kOutputs, format, memory.data()->bytes);
  }
  std::vector<float> decoded() const {
    std::vector<float> w(static_cast<std::size_t>(kOutputs * kCols));
    for (std::int64_t n = 0; n < kOutputs; ++n)
      kernels(best_isa()).gather_row(view, n, w.data() + n * kCols);
    return w;
  }
  std::vector<Line> memory;
  PackedMatrix view;
};

// GOP/s of the product, the least disturbed of many runs.
double speed(const Packed& w, const Coded& x) {
  std::vector<float> y(static_cast<std::size_t>(kRows * kOutputs));
  Matmul m;
  m.x = {x.form, x.memory.data()->bytes, x.stride};
  m.rows = kRows, m.w = &w.view;
  m.y = y.data(), m.y_stride = kOutputs, m.panel_end = w.view.panels();
  double best = 1e30;
  for (int i = 0; i < 300; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    kernels(best_isa()).matmul(m);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count());
  }
  return 2e-9 * static_cast<double>(kRows * kOutputs * kCols) / best;
}

void measure(const std::vector<float>& x, const std::vector<float>& w, PackedFormat format) {
  const Packed packed(w, format);
  const auto widened = packed.decoded();
  const auto plain = exact_product(x, widened);
  fmt::print("{:8} weights against f32 weights: {:.3f} %\n", format_name(format.kind),
             100 * relative_error(exact_product(x, w), plain));
  for (const int group : {32, 64, 128, 256, static_cast<int>(kCols)}) {
    const Coded coded(x, group);
    const double error = relative_error(plain, exact_product(coded.decoded(), widened));
    std::string time = "-";
    if (format.kind == PackedFormat::Kind::kInt8) {
      format.group = group;  // the same bytes
      time = fmt::format("{:.0f}", speed(Packed(w, format), coded));
    } else if (format.group == group) {
      time = fmt::format("{:.0f}", speed(packed, coded));
    }
    fmt::print("{:8} activations in groups of {:4}: {:.3f} %, {} GOP/s\n", format_name(format.kind),
               group, 100 * error, time);
  }
}

void run() {
  const FlushDenormals flush;
  Rng rng(7);
  const auto x = activations(rng);
  std::vector<float> w(static_cast<std::size_t>(kOutputs * kCols));
  for (float& v : w) v = normal(rng) * 0.02f;
  fmt::print("T={} N={} K={}, {} in 1,000 channels at {} times, {}\n", kRows, kOutputs, kCols,
             kOutliersPerThousand, kOutlier, isa_name(best_isa()));
  measure(x, w, PackedFormat::int8());
  measure(x, w, {PackedFormat::Kind::kAffine4, 64, DType::kBf16});
  measure(x, w, {PackedFormat::Kind::kAffine8, 64, DType::kBf16});
}

}  // namespace
}  // namespace quire::kernels

int main() { quire::kernels::run(); }
