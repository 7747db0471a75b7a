// Double-precision reference of attention over pages of every storage type.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/ref/reference.h"

namespace quire::kernels::ref {
namespace {

double f32_at(const std::byte* p) {
  float value = 0;
  std::memcpy(&value, p, 4);
  return value;
}

// What a token's element is: a number, and for i8 its code and scale.
struct Stored {
  double value = 0, scale = 0;
};

Stored stored_at(const std::byte* p, DType dtype, double scale, int bias) {
  if (dtype == DType::kF32) return {f32_at(p)};
  if (dtype == DType::kBf16) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, p, 2);
    return {bf16_to_f32(bits)};
  }
  const auto byte = std::to_integer<std::uint8_t>(*p);
  const int code = bias == 0 ? static_cast<std::int8_t>(byte) : int{byte} - bias;
  return {code * scale, scale};
}

Stored key_at(const Attention& task, std::int64_t position, std::int64_t d) {
  const KvLayout& l = task.kv.layout;
  const std::byte* page = task.kv.page(position);
  const std::int64_t slot = position % l.page_tokens;
  const double scale = l.scaled() ? f32_at(page + l.key_scale_offset(task.kv_head, slot)) : 0;
  return stored_at(page + l.key_offset(task.kv_head, slot, d), l.dtype, scale, 128);
}

Stored value_at(const Attention& task, std::int64_t position, std::int64_t d) {
  const KvLayout& l = task.kv.layout;
  if (l.value_dim == 0) return key_at(task, position, d);
  const std::byte* page = task.kv.page(position);
  const std::int64_t slot = position % l.page_tokens;
  const double scale = l.scaled() ? f32_at(page + l.value_scale_offset(task.kv_head, slot)) : 0;
  return stored_at(page + l.value_offset(task.kv_head, slot, d), l.dtype, scale, 0);
}

// The query as the kernel's operands hold it: the same rounding, which is exact from then on.
std::vector<double> operands_of(const Attention& task, const float* q) {
  const int dim = task.kv.layout.key_dim;
  std::vector<double> rounded(q, q + dim);
  if (task.kv.layout.dtype == DType::kBf16) {
    for (double& x : rounded) x = bf16_to_f32(f32_to_bf16(static_cast<float>(x)));
  }
  if (task.kv.layout.scaled()) {
    float peak = 0;
    for (int d = 0; d < dim; ++d) peak = std::max(peak, std::fabs(q[d]));
    const float scale = peak / 127.0f, inverse = 127.0f / peak;
    for (int d = 0; d < dim; ++d)
      rounded[static_cast<std::size_t>(d)] = double{scale} * std::nearbyint(q[d] * inverse);
  }
  return rounded;
}

// Scores of one query with keys [first, position] and the error each may have.
struct Scores {
  std::vector<double> score, slack;
};
Scores scores_of(const Attention& task, const float* q, std::int64_t first, std::int64_t position) {
  Scores s;
  const std::vector<double> operands = operands_of(task, q);
  for (std::int64_t j = first; j <= position; ++j) {
    double dot = 0, size = 0;
    for (std::size_t d = 0; d < operands.size(); ++d) {
      const double term = operands[d] * key_at(task, j, static_cast<std::int64_t>(d)).value;
      dot += term;
      size += std::fabs(term);
    }
    double score = dot * task.scale;
    // A cap's slope is at most 1, so it cannot enlarge the error of the score.
    double slack =
        (static_cast<double>(operands.size()) + 4) * kUnit * size * std::fabs(task.scale);
    if (task.softcap != 0) {
      score = task.softcap * std::tanh(score / task.softcap);
      slack += 8 * kUnit * std::fabs(score);
    }
    s.score.push_back(score);
    s.slack.push_back(slack);
  }
  return s;
}

// exp(score - peak) of one query, and what the rounding of the weights may add to any of them.
struct Weights {
  std::vector<double> weight;  // not yet divided by the sum
  std::vector<double> slack;   // of a weight, by rounding it to an operand
  double sum = 0;
  double moved = 0;      // relative error of every weight and of the sum
  double sum_moved = 0;  // of the sum alone
};

// Half a step of the codes of a weight: its group's largest (weight * scale) / 255, over its scale.
void add_code_slack(const Attention& task, std::int64_t first, Weights& w) {
  for (std::size_t j = 0; j < w.weight.size(); ++j) {
    const std::int64_t group = (first + static_cast<std::int64_t>(j)) / Attention::kCodeGroup;
    double largest = 0;
    for (std::size_t i = 0; i < w.weight.size(); ++i) {
      const std::int64_t position = first + static_cast<std::int64_t>(i);
      if (position / Attention::kCodeGroup == group)
        largest = std::max(largest, w.weight[i] * value_at(task, position, 0).scale);
    }
    const double scale = value_at(task, first + static_cast<std::int64_t>(j), 0).scale;
    if (scale > 0) w.slack[j] = largest / 255 / scale * 0.5001;
  }
}

Weights weights_of(const Attention& task, const Scores& s, std::int64_t first, int head) {
  Weights w;
  double peak = *std::max_element(s.score.begin(), s.score.end());
  if (task.sinks != nullptr) peak = std::max(peak, double{task.sinks[head]});
  if (task.sinks != nullptr) w.sum = std::exp(task.sinks[head] - peak);
  for (std::size_t j = 0; j < s.score.size(); ++j) {
    w.weight.push_back(std::exp(s.score[j] - peak));
    w.sum += w.weight.back();
    w.moved = std::max(w.moved, s.slack[j] + (std::fabs(s.score[j] - peak) + 4) * kUnit);
  }
  w.slack.assign(w.weight.size(), 0);
  if (task.kv.layout.dtype == DType::kBf16) {
    // Half a unit of 8 bits of precision. The sum is over the rounded weights: it moves as well.
    for (std::size_t j = 0; j < w.weight.size(); ++j) w.slack[j] = w.weight[j] * 0x1p-9;
    w.sum_moved = 0x1p-9;
  }
  if (task.kv.layout.scaled()) add_code_slack(task, first, w);
  return w;
}

void attend(const Attention& task, std::int64_t row, int head, Estimate* e) {
  const std::int64_t position = task.position + row;
  std::int64_t first = 0;
  if (task.window > 0) first = std::max(first, position - task.window + 1);
  if (task.chunk > 0) first = std::max(first, position / task.chunk * task.chunk);
  const float* q = task.q + row * task.q_stride + head * task.kv.layout.key_dim;
  const Scores s = scores_of(task, q, first, position);
  const Weights w = weights_of(task, s, first, head);
  const auto n = static_cast<double>(w.weight.size());
  // Every weight and the denominator move by `moved`; the sums add n u; the merges 8 u each.
  const double merges = 8 * (n / Attention::kSegment + 2);
  for (int d = 0; d < task.kv.layout.value_read_dim(); ++d) {
    double value = 0, size = 0, rounding = 0;
    for (std::size_t j = 0; j < w.weight.size(); ++j) {
      const double v = value_at(task, first + static_cast<std::int64_t>(j), d).value;
      value += w.weight[j] / w.sum * v;
      size += w.weight[j] / w.sum * std::fabs(v);
      rounding += w.slack[j] / w.sum * std::fabs(v);
    }
    e->value.push_back(value);
    e->slack.push_back(rounding * (1 + 4 * (w.moved + w.sum_moved)) +
                       size * (2 * w.moved + w.sum_moved + (2 * n + merges) * kUnit) + 0x1p-120);
  }
}

}  // namespace

Estimate attention(const Attention& task) {
  Estimate e;
  for (std::int64_t r = 0; r < task.rows; ++r)
    for (int h = 0; h < task.heads_per_kv; ++h)
      attend(task, r, task.kv_head * task.heads_per_kv + h, &e);
  return e;
}

}  // namespace quire::kernels::ref
