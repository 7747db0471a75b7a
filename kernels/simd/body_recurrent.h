// Layers with a carried state: causal convolution, gated delta rule, Mamba-2 scan.
// Included inside the row's namespace, after body_norm.h. Each state is advanced token by token, so
// any split of the rows over calls gives the same bits.
#pragma once

inline constexpr int kTapsMax = 64;

QUIRE_INLINE void conv_channels(const Conv1d& c, std::int64_t channel, int n) {
  const int past = static_cast<int>(c.taps) - 1;
  Vec window[kTapsMax];  // the inputs under the taps, oldest first
  for (int i = 0; i < past; ++i) window[i] = load_n(c.history + i * c.history_stride + channel, n);
  const Vec bias = c.bias == nullptr ? zero() : load_n(c.bias + channel, n);
  for (std::int64_t t = 0; t < c.rows; ++t) {
    window[past] = load_n(c.x + t * c.x_stride + channel, n);
    Vec acc = zero();
    for (int i = 0; i <= past; ++i)
      acc = madd(load_n(c.weight + i * c.channels + channel, n), window[i], acc);
    if (c.bias != nullptr) acc = add(acc, bias);
    if (c.silu) acc = silu_v(acc);
    store_n(c.y + t * c.y_stride + channel, acc, n);
    for (int i = 0; i < past; ++i) window[i] = window[i + 1];
  }
  for (int i = 0; i < past; ++i) store_n(c.history + i * c.history_stride + channel, window[i], n);
}

void conv1d(const Conv1d& c) {
  CHECK(c.taps >= 1 && c.taps <= kTapsMax, "convolution of {} taps, at most {}", c.taps, kTapsMax);
  std::int64_t channel = 0;
  for (; channel + kLanes <= c.channels; channel += kLanes) conv_channels(c, channel, kLanes);
  if (channel < c.channels) conv_channels(c, channel, static_cast<int>(c.channels - channel));
}

// R rows of a state matrix [., width], for R independent lane sums at a time.
template <int R>
struct StateRows {
  float* row[R];
  std::int64_t width;
};

// s = s * decay, then out[r] = lanes of s . k.
template <int R>
QUIRE_INLINE void decay_dot(const StateRows<R>& s, float decay, const float* k, float* out) {
  const Vec factor = splat<Vec>(decay);
  Vec acc[R];
  for (int r = 0; r < R; ++r) acc[r] = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= s.width; i += kLanes) {
    const Vec kv = load(k + i);
    for (int r = 0; r < R; ++r) {
      const Vec v = mul(load(s.row[r] + i), factor);
      store(s.row[r] + i, v);
      acc[r] = madd(v, kv, acc[r]);
    }
  }
  if (const int n = static_cast<int>(s.width - i); n > 0) {
    const Vec kv = load_n(k + i, n);
    for (int r = 0; r < R; ++r) {
      const Vec v = mul(load_n(s.row[r] + i, n), factor);
      store_n(s.row[r] + i, v, n);
      acc[r] = madd_n(v, kv, acc[r], n);
    }
  }
  for (int r = 0; r < R; ++r) out[r] = reduce_add(acc[r]);
}

// s = fma(u[r], k, s * decay), then out[r] = lanes of s . q.
template <int R>
QUIRE_INLINE void update_dot(const StateRows<R>& s, float decay, const float* u, const float* k,
                             const float* q, float* out) {
  const Vec factor = splat<Vec>(decay);
  Vec acc[R];
  for (int r = 0; r < R; ++r) acc[r] = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= s.width; i += kLanes) {
    const Vec kv = load(k + i), qv = load(q + i);
    for (int r = 0; r < R; ++r) {
      const Vec v = madd(splat<Vec>(u[r]), kv, mul(load(s.row[r] + i), factor));
      store(s.row[r] + i, v);
      acc[r] = madd(v, qv, acc[r]);
    }
  }
  if (const int n = static_cast<int>(s.width - i); n > 0) {
    const Vec kv = load_n(k + i, n), qv = load_n(q + i, n);
    for (int r = 0; r < R; ++r) {
      const Vec v = madd(splat<Vec>(u[r]), kv, mul(load_n(s.row[r] + i, n), factor));
      store_n(s.row[r] + i, v, n);
      acc[r] = madd_n(v, qv, acc[r], n);
    }
  }
  for (int r = 0; r < R; ++r) out[r] = reduce_add(acc[r]);
}

template <int R>
QUIRE_INLINE void delta_rows(const GatedDelta& g, std::int64_t first) {
  StateRows<R> s;
  s.width = g.key_dim;
  for (int r = 0; r < R; ++r) s.row[r] = g.state + (first + r) * g.key_dim;
  for (std::int64_t t = 0; t < g.rows; ++t) {
    const float* k = g.k + t * g.qk_stride;
    const float* v = g.v + t * g.v_stride + first;
    const float beta = g.beta[t * g.gate_stride];
    float u[R];
    decay_dot<R>(s, g.decay[t * g.gate_stride], k, u);
    for (int r = 0; r < R; ++r) u[r] = beta * (v[r] - u[r]);
    float o[R];
    update_dot<R>(s, 1.0f, u, k, g.q + t * g.qk_stride, o);
    for (int r = 0; r < R; ++r) g.out[t * g.out_stride + first + r] = o[r];
  }
}

void gated_delta(const GatedDelta& g) {
  std::int64_t row = 0;
  for (; row + 4 <= g.value_dim; row += 4) delta_rows<4>(g, row);
  for (; row < g.value_dim; ++row) delta_rows<1>(g, row);
}

template <int R>
QUIRE_INLINE void ssd_rows(const Ssd& m, std::int64_t first) {
  StateRows<R> s;
  s.width = m.state_dim;
  for (int r = 0; r < R; ++r) s.row[r] = m.state + (first + r) * m.state_dim;
  for (std::int64_t t = 0; t < m.rows; ++t) {
    const float* x = m.x + t * m.x_stride + first;
    const float dt = m.dt[t * m.dt_stride];
    float u[R];
    for (int r = 0; r < R; ++r) u[r] = dt * x[r];
    float o[R];
    update_dot<R>(s, m.decay[t * m.dt_stride], u, m.b + t * m.bc_stride, m.c + t * m.bc_stride, o);
    for (int r = 0; r < R; ++r) m.y[t * m.y_stride + first + r] = __builtin_fmaf(m.d, x[r], o[r]);
  }
}

void ssd(const Ssd& m) {
  std::int64_t row = 0;
  for (; row + 4 <= m.head_dim; row += 4) ssd_rows<4>(m, row);
  for (; row < m.head_dim; ++row) ssd_rows<1>(m, row);
}
