// Double-precision references of the layers with a carried state.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/ref/reference.h"

namespace quire::kernels::ref {

Estimate conv1d(const Conv1d& task) {
  Estimate e;
  for (std::int64_t t = 0; t < task.rows; ++t) {
    for (std::int64_t c = 0; c < task.channels; ++c) {
      double sum = task.bias == nullptr ? 0 : task.bias[c], size = std::fabs(sum);
      for (std::int64_t i = 0; i < task.taps; ++i) {
        const std::int64_t from = t - task.taps + 1 + i;
        const double in = from >= 0
                              ? task.x[from * task.x_stride + c]
                              : task.history[(from + task.taps - 1) * task.history_stride + c];
        sum += in * task.weight[i * task.channels + c];
        size += std::fabs(in * task.weight[i * task.channels + c]);
      }
      double slack = (static_cast<double>(task.taps) + 2) * kUnit * size;
      if (task.silu) {  // the slope of silu is at most 1.1
        sum = sum / (1 + std::exp(-sum));
        slack = 1.1 * slack + 8 * kUnit * std::fabs(sum);
      }
      e.value.push_back(sum);
      e.slack.push_back(slack);
    }
  }
  return e;
}

namespace {

// A number and a bound of the error that its f32 twin may carry.
struct Bounded {
  double value = 0, off = 0;
};
using BoundedRow = std::vector<Bounded>;

BoundedRow exact_row(const float* initial, std::int64_t count) {
  BoundedRow row;
  for (std::int64_t i = 0; i < count; ++i) row.push_back({initial[i], 0.0});
  return row;
}

// Lane sum of row . x.
Bounded dot(const BoundedRow& row, const float* x) {
  const auto n = static_cast<double>(row.size());
  Bounded sum;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double term = row[i].value * x[i];
    sum.value += term;
    sum.off += row[i].off * std::fabs(x[i]) + n * kUnit * std::fabs(term);
  }
  return sum;
}

// row = row * decay + u * x, one rounding for the product with decay and one for the rest.
void advance(BoundedRow& row, double decay, Bounded u, const float* x) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    Bounded& s = row[i];
    s.off = s.off * decay + kUnit * std::fabs(s.value * decay) + u.off * std::fabs(x[i]);
    s.value = s.value * decay + u.value * x[i];
    s.off += kUnit * std::fabs(s.value);
  }
}

constexpr double kSecondOrder = 1.01;

}  // namespace

Estimate gated_delta(const GatedDelta& task) {
  Estimate e;
  e.value.resize(static_cast<std::size_t>(task.rows * task.value_dim));
  e.slack = e.value;
  const std::vector<float> nothing(static_cast<std::size_t>(task.key_dim));
  for (std::int64_t v = 0; v < task.value_dim; ++v) {
    BoundedRow s = exact_row(task.state + v * task.key_dim, task.key_dim);
    for (std::int64_t t = 0; t < task.rows; ++t) {
      const float* k = task.k + t * task.qk_stride;
      const double beta = task.beta[t * task.gate_stride];
      advance(s, task.decay[t * task.gate_stride], {}, nothing.data());
      const Bounded seen = dot(s, k);
      const double target = task.v[t * task.v_stride + v];
      Bounded u;
      u.value = beta * (target - seen.value);
      u.off = beta * (seen.off + kUnit * (std::fabs(target) + std::fabs(seen.value))) +
              2 * kUnit * std::fabs(u.value);
      advance(s, 1, u, k);
      const Bounded o = dot(s, task.q + t * task.qk_stride);
      const auto at = static_cast<std::size_t>(t * task.value_dim + v);
      e.value[at] = o.value;
      e.slack[at] = kSecondOrder * o.off;
    }
  }
  return e;
}

Estimate ssd(const Ssd& task) {
  Estimate e;
  e.value.resize(static_cast<std::size_t>(task.rows * task.head_dim));
  e.slack = e.value;
  for (std::int64_t p = 0; p < task.head_dim; ++p) {
    BoundedRow s = exact_row(task.state + p * task.state_dim, task.state_dim);
    for (std::int64_t t = 0; t < task.rows; ++t) {
      const double x = task.x[t * task.x_stride + p];
      const double u = task.dt[t * task.dt_stride] * x;
      advance(s, task.decay[t * task.dt_stride], {u, kUnit * std::fabs(u)},
              task.b + t * task.bc_stride);
      const Bounded y = dot(s, task.c + t * task.bc_stride);
      const auto at = static_cast<std::size_t>(t * task.head_dim + p);
      e.value[at] = y.value + task.d * x;
      e.slack[at] = kSecondOrder * y.off + kUnit * std::fabs(e.value[at]);
    }
  }
  return e;
}

}  // namespace quire::kernels::ref
