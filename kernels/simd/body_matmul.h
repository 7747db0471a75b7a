// Products with packed weights: lanes are output rows, each sum runs over k in order.
// Included inside the row's namespace, after the vector vocabulary.
#pragma once

// How one step along k reads a stored panel of type W: kDepth elements of each lane.
template <class W>
struct Panel {
  static constexpr int kDepth = 1;
  template <int D>
  static QUIRE_INLINE Vec weights(const W* step) {
    return load(step);
  }
};
template <>
struct Panel<Bf16> {
  static constexpr int kDepth = 2;
  template <int D>
  static QUIRE_INLINE Vec weights(const Bf16* step) {
    return load_of_pair<D>(step);
  }
};

// One register tile: R rows of x by P panels of w.
template <class W>
struct MatmulTile {
  const float* x;  // first row
  std::int64_t x_stride;
  const W* w;  // first panel
  std::int64_t w_stride;
  const W* prefetch;  // stream to bring near meanwhile, as long as this one, or null
  std::int64_t k;
};

// acc += x[k + D] * w[k + D] in every lane.
template <int R, int P, class W, int D>
QUIRE_INLINE void tile_step(const float* const (&x)[R], const W* const (&w)[P], std::int64_t k,
                            Vec (&acc)[R][P]) {
  Vec wk[P];
  for (int p = 0; p < P; ++p) wk[p] = Panel<W>::template weights<D>(w[p] + k * kLanes);
  for (int r = 0; r < R; ++r) {
    const Vec xk = splat<Vec>(x[r][k + D]);
    for (int p = 0; p < P; ++p) acc[r][p] = madd(xk, wk[p], acc[r][p]);
  }
}

template <int R, int P, class W>
QUIRE_INLINE void tile_sums(const MatmulTile<W>& t, Vec (&acc)[R][P]) {
  constexpr int kDepth = Panel<W>::kDepth;
  const float* x[R];
  for (int r = 0; r < R; ++r) x[r] = t.x + r * t.x_stride;
  const W* w[P];
  for (int p = 0; p < P; ++p) w[p] = t.w + p * t.w_stride;
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) acc[r][p] = zero();
  std::int64_t k = 0;
  for (; k + kDepth <= t.k; k += kDepth) {
    if (t.prefetch != nullptr) {
      for (int p = 0; p < P; ++p) __builtin_prefetch(t.prefetch + (k * P + p) * kLanes, 0, 2);
    }
    tile_step<R, P, W, 0>(x, w, k, acc);
    if constexpr (kDepth > 1) tile_step<R, P, W, 1>(x, w, k, acc);
  }
  if (k < t.k) tile_step<R, P, W, 0>(x, w, k, acc);
}

template <int R, int P, class W>
__attribute__((noinline)) void tile(const Matmul& m, std::int64_t row, std::int64_t panel,
                                    const W* prefetch) {
  const std::int64_t w_stride =
      panel_bytes(m.w->format, m.w->cols) / static_cast<std::int64_t>(sizeof(W));
  const auto* w = reinterpret_cast<const W*>(m.w->data);
  const MatmulTile<W> t{reinterpret_cast<const float*>(m.x.row(row)),
                        m.x.stride_bytes / 4,
                        w + panel * w_stride,
                        w_stride,
                        prefetch,
                        m.w->cols};
  Vec acc[R][P];
  tile_sums<R, P>(t, acc);
  for (int p = 0; p < P; ++p) {
    const std::int64_t n = (panel + p) * kLanes;
    const int count = n + kLanes <= m.w->rows ? kLanes : static_cast<int>(m.w->rows - n);
    const Vec bias = m.bias == nullptr ? zero() : load_n(m.bias + n, count);
    for (int r = 0; r < R; ++r) {
      float* y = m.y + (row + r) * m.y_stride + n;
      Vec v = m.bias == nullptr ? acc[r][p] : add(acc[r][p], bias);
      if (m.store == Store::kAdd) v = add(load_n(y, count), v);
      store_n(y, v, count);
    }
  }
}

// Tall enough that a pass over the weights takes longer than reading the next ones from memory.
inline constexpr int kPrefetchRows = 5;

// Up to R rows from `row` on, of P panels, with the tile of exactly that height.
template <int R, int P, class W>
void rows_of_tile(const Matmul& m, std::int64_t row, std::int64_t panel, const W* prefetch) {
  if constexpr (R > 1) {
    if (m.rows - row < R) return rows_of_tile<R - 1, P, W>(m, row, panel, prefetch);
  }
  tile<R, P, W>(m, row, panel, R >= kPrefetchRows ? prefetch : nullptr);
}

// All rows of P panels at once: the weights are read from memory for the first tile of rows, which
// calls for those of the next panels, and stay near for the others.
template <int R, int P, class W>
void panel_group(const Matmul& m, std::int64_t panel) {
  const W* next = nullptr;
  if (panel + 2 * P <= m.panel_end) {
    next =
        reinterpret_cast<const W*>(m.w->data + (panel + P) * panel_bytes(m.w->format, m.w->cols));
  }
  for (std::int64_t row = 0; row < m.rows; row += R)
    rows_of_tile<R, P, W>(m, row, panel, row == 0 ? next : nullptr);
}

template <int R, int P, class W>
void all_panels(const Matmul& m) {
  std::int64_t panel = m.panel_begin;
  for (; panel + P <= m.panel_end; panel += P) panel_group<R, P, W>(m, panel);
  if constexpr (P > 2) {
    for (; panel + 2 <= m.panel_end; panel += 2) panel_group<R, 2, W>(m, panel);
  }
  if constexpr (P > 1) {
    for (; panel < m.panel_end; ++panel) panel_group<R, 1, W>(m, panel);
  }
}

// Row classes: one row is bound by memory and reads few streams; a few rows share wide tiles; many
// rows use the tile with the most sums that fit the registers (R * P <= kTileVecs).
template <class W>
void matmul_of(const Matmul& m) {
  // A panel is one chain of dependent fma; narrow weights need more of them to keep memory busy.
  constexpr int kSolo = sizeof(W) == 4 ? 2 : 4;
  if constexpr (kTileVecs >= 24) {
    if (m.rows > 4) return all_panels<8, 3, W>(m);
    if (m.rows > 1) return all_panels<4, 4, W>(m);
  } else if constexpr (kTileVecs >= 6) {
    if (m.rows > 3) return all_panels<6, 1, W>(m);
    if (m.rows > 1) return all_panels<3, 2, W>(m);
  }
  return all_panels<1, kSolo, W>(m);
}

void matmul(const Matmul& m) {
  DCHECK(0 <= m.panel_begin && m.panel_end <= m.w->panels(), "panels [{}, {}) of {}", m.panel_begin,
         m.panel_end, m.w->panels());
  if (m.x.form.kind != ActivationForm::Kind::kF32) return plain_matmul(m);
  switch (m.w->format.kind) {
    case PackedFormat::Kind::kF32:
      return matmul_of<float>(m);
    case PackedFormat::Kind::kBf16:
      return matmul_of<Bf16>(m);
    case PackedFormat::Kind::kF16:
      return matmul_of<F16>(m);
    default:
      return plain_matmul(m);
  }
}
