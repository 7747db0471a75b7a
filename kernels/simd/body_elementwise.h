// Kernels without sums: activations, arithmetic on rows, rotary embedding.
// Included inside the row's namespace, after math.h.
#pragma once

template <Unary U, class V>
QUIRE_INLINE V apply(V x) {
  if constexpr (U == Unary::kSilu) return silu_v(x);
  if constexpr (U == Unary::kGeluTanh) return gelu_tanh_v(x);
  if constexpr (U == Unary::kGeluErf) return gelu_erf_v(x);
  if constexpr (U == Unary::kRelu) return relu_v(x);
  if constexpr (U == Unary::kRelu2) return relu2_v(x);
  if constexpr (U == Unary::kSigmoid) return sigmoid_v(x);
  if constexpr (U == Unary::kSoftplus) return softplus_v(x);
  if constexpr (U == Unary::kExp) return exp_v(x);
  if constexpr (U == Unary::kTanh) return tanh_v(x);
}

template <Unary U>
void activate_of(const Activate& a) {
  std::int64_t i = 0;
  for (; i + kLanes <= a.count; i += kLanes) {
    Vec v = apply<U>(load(a.x + i));
    if (a.times != nullptr) v = mul(v, load(a.times + i));
    store(a.out + i, v);
  }
  if (const int n = static_cast<int>(a.count - i); n > 0) {
    Vec v = apply<U>(load_n(a.x + i, n));
    if (a.times != nullptr) v = mul(v, load_n(a.times + i, n));
    store_n(a.out + i, v, n);
  }
}

void activate(const Activate& a) {
  switch (a.function) {
    case Unary::kSilu:
      return activate_of<Unary::kSilu>(a);
    case Unary::kGeluTanh:
      return activate_of<Unary::kGeluTanh>(a);
    case Unary::kGeluErf:
      return activate_of<Unary::kGeluErf>(a);
    case Unary::kRelu:
      return activate_of<Unary::kRelu>(a);
    case Unary::kRelu2:
      return activate_of<Unary::kRelu2>(a);
    case Unary::kSigmoid:
      return activate_of<Unary::kSigmoid>(a);
    case Unary::kSoftplus:
      return activate_of<Unary::kSoftplus>(a);
    case Unary::kExp:
      return activate_of<Unary::kExp>(a);
    case Unary::kTanh:
      return activate_of<Unary::kTanh>(a);
  }
  CHECK(false, "activation {}", static_cast<int>(a.function));
}

void add_rows(const float* x, float* y, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, add(load(y + i), load(x + i)));
  if (const int n = static_cast<int>(count - i); n > 0)
    store_n(y + i, add(load_n(y + i, n), load_n(x + i, n)), n);
}

void add_scaled(float a, const float* x, float* y, std::int64_t count) {
  const Vec factor = splat<Vec>(a);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, madd(factor, load(x + i), load(y + i)));
  if (const int n = static_cast<int>(count - i); n > 0)
    store_n(y + i, madd(factor, load_n(x + i, n), load_n(y + i, n)), n);
}

void multiply(const float* x, float* y, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, mul(load(y + i), load(x + i)));
  if (const int n = static_cast<int>(count - i); n > 0)
    store_n(y + i, mul(load_n(y + i, n), load_n(x + i, n)), n);
}

void scale(float a, float* y, std::int64_t count) {
  const Vec factor = splat<Vec>(a);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, mul(load(y + i), factor));
  if (const int n = static_cast<int>(count - i); n > 0)
    store_n(y + i, mul(load_n(y + i, n), factor), n);
}

QUIRE_INLINE Vec softcap_v(Vec cap, Vec x) { return mul(cap, tanh_v(div(x, cap))); }

void softcap(float cap, float* y, std::int64_t count) {
  const Vec limit = splat<Vec>(cap);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, softcap_v(limit, load(y + i)));
  if (const int n = static_cast<int>(count - i); n > 0)
    store_n(y + i, softcap_v(limit, load_n(y + i, n)), n);
}

// Interleaved pairs: one scalar fma each, which every instruction set rounds alike.
QUIRE_INLINE void rope_interleaved(const Rope& r, float* x) {
  for (std::int64_t i = 0; i < r.pairs; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = __builtin_fmaf(-b, r.sin[i], a * r.cos[i]);
    x[2 * i + 1] = __builtin_fmaf(a, r.sin[i], b * r.cos[i]);
  }
}

QUIRE_INLINE void rope_halves(const Rope& r, float* x) {
  std::int64_t i = 0;
  for (; i + kLanes <= r.pairs; i += kLanes) {
    const Vec a = load(x + i), b = load(x + r.pairs + i);
    const Vec cos = load(r.cos + i), sin = load(r.sin + i);
    store(x + i, nmadd(b, sin, mul(a, cos)));
    store(x + r.pairs + i, madd(a, sin, mul(b, cos)));
  }
  if (const int n = static_cast<int>(r.pairs - i); n > 0) {
    const Vec a = load_n(x + i, n), b = load_n(x + r.pairs + i, n);
    const Vec cos = load_n(r.cos + i, n), sin = load_n(r.sin + i, n);
    store_n(x + i, nmadd(b, sin, mul(a, cos)), n);
    store_n(x + r.pairs + i, madd(a, sin, mul(b, cos)), n);
  }
}

void rope(const Rope& r) {
  for (std::int64_t h = 0; h < r.heads; ++h) {
    float* x = r.x + h * r.head_stride;
    r.interleaved ? rope_interleaved(r, x) : rope_halves(r, x);
  }
}
