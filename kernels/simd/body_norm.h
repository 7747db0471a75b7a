// Normalisations and the reductions over a row of logits: sums in lanes, exact maxima.
// Included inside the row's namespace, after math.h.
#pragma once

// Adds to each lane below n; the others keep acc, so that a missing element is not added.
QUIRE_INLINE Vec madd_n(Vec a, Vec b, Vec acc, int n) {
  return select(first_n(n), madd(a, b, acc), acc);
}

QUIRE_INLINE float sum_of(const float* x, std::int64_t count) {
  Vec acc = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) acc = add(acc, load(x + i));
  if (const int n = static_cast<int>(count - i); n > 0)
    acc = select(first_n(n), add(acc, load_n(x + i, n)), acc);
  return reduce_add(acc);
}

// Sum of (x - mean)^2.
QUIRE_INLINE float squares_of(const float* x, std::int64_t count, float mean) {
  const Vec center = splat<Vec>(mean);
  Vec acc = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec d = sub(load(x + i), center);
    acc = madd(d, d, acc);
  }
  if (const int n = static_cast<int>(count - i); n > 0) {
    const Vec d = sub(load_n(x + i, n), center);
    acc = madd_n(d, d, acc, n);
  }
  return reduce_add(acc);
}

QUIRE_INLINE float root_of(float x) { return first_lane(sqrt(splat<Vec>(x))); }

// y = (x - mean) * inverse * (weight + offset) + bias for elements of one group.
struct NormRow {
  const float* x;
  float* y;
  const float* weight;
  const float* bias;
  std::int64_t count;
  float mean, inverse, offset;
};

QUIRE_INLINE Vec norm_lanes(const NormRow& g, std::int64_t i, int n) {
  Vec v = mul(sub(load_n(g.x + i, n), splat<Vec>(g.mean)), splat<Vec>(g.inverse));
  if (g.weight == nullptr) return g.bias == nullptr ? v : add(v, load_n(g.bias + i, n));
  const Vec weight = add(load_n(g.weight + i, n), splat<Vec>(g.offset));
  return g.bias == nullptr ? mul(v, weight) : add(mul(v, weight), load_n(g.bias + i, n));
}

QUIRE_INLINE void norm_row(const NormRow& g) {
  std::int64_t i = 0;
  for (; i + kLanes <= g.count; i += kLanes) store(g.y + i, norm_lanes(g, i, kLanes));
  if (const int n = static_cast<int>(g.count - i); n > 0) store_n(g.y + i, norm_lanes(g, i, n), n);
}

template <bool kCentered>
QUIRE_INLINE void norm_of(const Norm& task) {
  CHECK(task.groups > 0 && task.width % task.groups == 0, "norm of width {} in {} groups",
        task.width, task.groups);
  CHECK(task.weight != nullptr || task.weight_offset == 0, "weight offset {} without a weight",
        task.weight_offset);
  const std::int64_t count = task.width / task.groups;
  const float size = static_cast<float>(count);
  for (std::int64_t r = 0; r < task.rows; ++r) {
    for (std::int64_t g = 0; g < task.groups; ++g) {
      const std::int64_t begin = g * count;
      NormRow row{task.x + r * task.x_stride + begin,
                  task.y + r * task.y_stride + begin,
                  task.weight == nullptr ? nullptr : task.weight + begin,
                  task.bias == nullptr ? nullptr : task.bias + begin,
                  count,
                  0.0f,
                  0.0f,
                  task.weight_offset};
      if (kCentered) row.mean = sum_of(row.x, count) / size;
      const float variance = squares_of(row.x, count, row.mean) / size;
      row.inverse = 1.0f / root_of(variance + task.eps);
      norm_row(row);
    }
  }
}

void rms_norm(const Norm& task) { norm_of<false>(task); }
void layer_norm(const Norm& task) { norm_of<true>(task); }

void l2_norm(float* x, std::int64_t rows, std::int64_t width, float eps, float scale_by) {
  const Vec factor = splat<Vec>(scale_by);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = x + r * width;
    const Vec root = splat<Vec>(root_of(squares_of(row, width, 0.0f) + eps));
    std::int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) store(row + i, mul(div(load(row + i), root), factor));
    if (const int n = static_cast<int>(width - i); n > 0)
      store_n(row + i, mul(div(load_n(row + i, n), root), factor), n);
  }
}

// The largest element; NaN never wins; -inf for none.
QUIRE_INLINE float max_of(const float* x, std::int64_t count) {
  const Vec lowest = splat<Vec>(-__builtin_inff());
  Vec best = lowest;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) best = max(load(x + i), best);
  if (const int n = static_cast<int>(count - i); n > 0)
    best = max(select(first_n(n), load_n(x + i, n), lowest), best);
  return reduce_max(best);
}

// Lane sum of exp(x - largest); with `out`, each exponential is stored there.
QUIRE_INLINE float sum_of_exp(const float* x, std::int64_t count, float largest, float* out) {
  const Vec shift = splat<Vec>(largest);
  Vec acc = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec e = exp_v(sub(load(x + i), shift));
    if (out != nullptr) store(out + i, e);
    acc = add(acc, e);
  }
  if (const int n = static_cast<int>(count - i); n > 0) {
    const Vec e = exp_v(sub(load_n(x + i, n), shift));
    if (out != nullptr) store_n(out + i, e, n);
    acc = select(first_n(n), add(acc, e), acc);
  }
  return reduce_add(acc);
}

LogSum log_sum(const float* logits, std::int64_t count) {
  const float largest = max_of(logits, count);
  const float sum = sum_of_exp(logits, count, largest, nullptr);
  return {largest, first_lane(log_v(splat<Vec>(sum)))};
}

void softmax(float* x, std::int64_t count) {
  const Vec sum = splat<Vec>(sum_of_exp(x, count, max_of(x, count), x));
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(x + i, div(load(x + i), sum));
  if (const int n = static_cast<int>(count - i); n > 0)
    store_n(x + i, div(load_n(x + i, n), sum), n);
}

std::int64_t argmax(const float* x, std::int64_t count) {
  const float largest = max_of(x, count);
  const Vec target = splat<Vec>(largest);
  std::int64_t i = 0;
  while (i + kLanes <= count && !any(equal(load(x + i), target))) i += kLanes;
  while (i < count && x[i] != largest) ++i;
  return i < count ? i : 0;
}

bool all_finite(const float* x, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = load(x + i);
    if (!all(equal(sub(v, v), zero()))) return false;
  }
  const int n = static_cast<int>(count - i);
  const Vec v = load_n(x + i, n);
  return n == 0 || all(equal(sub(v, v), zero()));
}
