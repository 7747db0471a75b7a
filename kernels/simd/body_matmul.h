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

// The outputs of R rows from `row` on, by P panels from `panel` on. kAhead: the P panels behind
// are called to the second-level cache meanwhile; other tall tiles call for what `reads` holds.
template <class Form, int R, int P, bool kAhead>
__attribute__((noinline)) void tile(const Matmul& m, std::int64_t row, std::int64_t panel,
                                    ReadCursor& reads) {
  const std::int64_t bytes = panel_bytes(m.w->format, m.w->cols);
  TileInput<R, P> in;
  in.m = &m;
  for (int r = 0; r < R; ++r) in.x[r] = m.x.row(row + r);
  for (int p = 0; p < P; ++p) in.w[p] = m.w->data + (panel + p) * bytes;
  in.ahead = kAhead ? P * bytes : 0;
  in.reads = &reads;
  Vec acc[R][P];
  Form::template sums<R, P, kAhead>(in, acc);
  store_tile<R, P>(m, row, panel, acc);
}

// `count` <= R rows from `row` on, of P panels, with the tile of exactly that height.
template <class Form, int R, int P, bool kAhead>
void rows_of_tile(const Matmul& m, std::int64_t row, int count, std::int64_t panel,
                  ReadCursor& reads) {
  if constexpr (R > 1) {
    if (count < R) return rows_of_tile<Form, R - 1, P, kAhead>(m, row, count, panel, reads);
  }
  if constexpr (kAhead && R > 1) {
    if (row == 0 && panel + 2 * P <= m.panel_end)
      return tile<Form, R, P, true>(m, row, panel, reads);
  }
  tile<Form, R, P, false>(m, row, panel, reads);
}

// All rows of P panels at once, in tiles of almost the same height of at most R: the weights are
// read from memory for the first tile, and stay near for the others.
template <class Form, int R, int P, bool kAhead>
void panel_group(const Matmul& m, std::int64_t panel, ReadCursor& reads) {
  const std::int64_t tiles = (m.rows + R - 1) / R;
  std::int64_t row = 0;
  for (std::int64_t i = 0; i < tiles; ++i) {
    const std::int64_t end = m.rows * (i + 1) / tiles;
    rows_of_tile<Form, R, P, kAhead>(m, row, static_cast<int>(end - row), panel, reads);
    row = end;
  }
}

// kAhead: a pass over the weights takes longer than reading the next ones from memory.
template <class Form, int R, int P, bool kAhead>
void all_panels(const Matmul& m) {
  ReadCursor reads(kAhead ? m.read_ahead : nullptr);
  std::int64_t panel = m.panel_begin;
  for (; panel + P <= m.panel_end; panel += P) panel_group<Form, R, P, kAhead>(m, panel, reads);
  if constexpr (P > 2) {
    for (; panel + 2 <= m.panel_end; panel += 2) panel_group<Form, R, 2, kAhead>(m, panel, reads);
  }
  if constexpr (P > 1) {
    for (; panel < m.panel_end; ++panel) panel_group<Form, R, 1, kAhead>(m, panel, reads);
  }
}

// Row classes: one row is bound by memory and reads few streams; a few rows share wide tiles; many
// rows use tall ones.
template <class Form>
void product(const Matmul& m) {
  if (m.rows == 1) return all_panels<Form, 1, Form::kSoloPanels, false>(m);
  if (m.rows <= Form::kFewRows) return all_panels<Form, Form::kFewRows, Form::kFewPanels, false>(m);
  all_panels<Form, Form::kManyRows, Form::kManyPanels, true>(m);
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
