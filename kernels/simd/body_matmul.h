// Products with packed weights: rows and panels in tiles of sums, lanes are output rows.
// Included inside the row's namespace, after the forms (body_matmul_float.h, body_matmul_int8.h).
#pragma once

template <int R, int P>
QUIRE_INLINE void store_tile(const Matmul& m, std::int64_t row, std::int64_t panel,
                             const Vec (&acc)[R][P]) {
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

// Without calls one stream of codes gets a tenth to a fifth less than memory has for one processor.
// 256 to 1,536 bytes ahead measured the same within 2 %.
inline constexpr std::int64_t kStreamAheadBytes = 512;

// The outputs of R rows from `row` on, by P panels from `panel` on.
template <class Form, int R, int P, Fetch kFetch>
__attribute__((noinline)) void tile(const Matmul& m, std::int64_t row, std::int64_t panel) {
  const std::int64_t bytes = panel_bytes(m.w->format, m.w->cols);
  TileInput<R, P> in;
  in.m = &m;
  for (int r = 0; r < R; ++r) in.x[r] = m.x.row(row + r);
  for (int p = 0; p < P; ++p) in.w[p] = m.w->data + (panel + p) * bytes;
  in.ahead = kFetch == Fetch::kPanels ? P * bytes : kStreamAheadBytes;
  Vec acc[R][P];
  Form::template sums<R, P, kFetch != Fetch::kNothing>(in, acc);
  store_tile<R, P>(m, row, panel, acc);
}

// `count` <= R rows from `row` on, of P panels, with the tile of exactly that height.
template <class Form, int R, int P, Fetch kFetch>
void rows_of_tile(const Matmul& m, std::int64_t row, int count, std::int64_t panel) {
  if constexpr (R > 1) {
    if (count < R) return rows_of_tile<Form, R - 1, P, kFetch>(m, row, count, panel);
  }
  if constexpr (kFetch == Fetch::kPanels) {
    // Once for all rows, and within the part: what lies behind it may be another thread's.
    if (row > 0 || panel + 2 * P > m.panel_end)
      return tile<Form, R, P, Fetch::kNothing>(m, row, panel);
  }
  tile<Form, R, P, kFetch>(m, row, panel);
}

// All rows of P panels at once, in tiles of almost the same height of at most R: the weights are
// read from memory for the first tile, and stay near for the others.
template <class Form, int R, int P, Fetch kFetch>
void panel_group(const Matmul& m, std::int64_t panel) {
  const std::int64_t tiles = (m.rows + R - 1) / R;
  std::int64_t row = 0;
  for (std::int64_t i = 0; i < tiles; ++i) {
    const std::int64_t end = m.rows * (i + 1) / tiles;
    rows_of_tile<Form, R, P, kFetch>(m, row, static_cast<int>(end - row), panel);
    row = end;
  }
}

template <class Form, int R, int P, Fetch kFetch>
void all_panels(const Matmul& m) {
  std::int64_t panel = m.panel_begin;
  for (; panel + P <= m.panel_end; panel += P) panel_group<Form, R, P, kFetch>(m, panel);
  if constexpr (P > 2) {
    for (; panel + 2 <= m.panel_end; panel += 2) panel_group<Form, R, 2, kFetch>(m, panel);
  }
  if constexpr (P > 1) {
    for (; panel < m.panel_end; ++panel) panel_group<Form, R, 1, kFetch>(m, panel);
  }
}

// Row classes: one row is bound by memory and reads few streams; a few rows share wide tiles; many
// rows use tall ones.
template <class Form>
void product(const Matmul& m) {
  if (m.rows == 1) return all_panels<Form, 1, Form::kSoloPanels, Form::kSoloFetch>(m);
  if (m.rows <= Form::kFewRows)
    return all_panels<Form, Form::kFewRows, Form::kFewPanels, Form::kFewFetch>(m);
  all_panels<Form, Form::kManyRows, Form::kManyPanels, Fetch::kPanels>(m);
}

void matmul_f32(const Matmul& m) {
  switch (m.w->format.kind) {
    case PackedFormat::Kind::kF32:
      return product<F32Form<float>>(m);
    case PackedFormat::Kind::kBf16:
      return product<F32Form<Bf16>>(m);
    case PackedFormat::Kind::kF16:
      return product<F32Form<F16>>(m);
    case PackedFormat::Kind::kInt8:
      return product<CodedForm<Int8Codes>>(m);
    case PackedFormat::Kind::kAffine4:
      return product<CodedForm<Affine4Codes>>(m);
    case PackedFormat::Kind::kAffine8:
      return product<CodedForm<Affine8Codes>>(m);
  }
}

void matmul(const Matmul& m) {
  DCHECK(0 <= m.panel_begin && m.panel_end <= m.w->panels(), "panels [{}, {}) of {}", m.panel_begin,
         m.panel_end, m.w->panels());
  if (m.x.form.kind == ActivationForm::Kind::kF32) return matmul_f32(m);
  DCHECK(m.x.form == form_for(m.w->format, Arithmetic::kFast),
         "activations of form {} for weights packed as {}", static_cast<int>(m.x.form.kind),
         format_name(m.w->format.kind));
  switch (m.w->format.kind) {
    case PackedFormat::Kind::kBf16:
      return product<Bf16Form>(m);
    case PackedFormat::Kind::kInt8:
      return product<Int8Form<Int8Codes>>(m);
    case PackedFormat::Kind::kAffine4:
      return product<Int8Form<Affine4Codes>>(m);
    case PackedFormat::Kind::kAffine8:
      return product<Int8Form<Affine8Codes>>(m);
    case PackedFormat::Kind::kF32:
    case PackedFormat::Kind::kF16:
      break;
  }
  CHECK(false, "prepared activations for weights packed as {}", format_name(m.w->format.kind));
}
