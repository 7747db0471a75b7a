// What AVX-512 with VNNI and BF16 multiplies at once, and the tiles that fit its 32 registers.
// Included inside the row's namespace and target region, after body_matmul_tile.h.
#pragma once

// Rows by panels of one row, of a few rows and of many. A panel is one chain of dependent
// operations; narrow weights need more of them to keep memory busy.
template <int kWeightBytes>
struct FloatTiles {
  static constexpr int kSoloPanels = kWeightBytes == 4 ? 2 : 4;
  static constexpr Fetch kSoloFetch = Fetch::kNothing, kFewFetch = Fetch::kNothing;
  static constexpr int kFewRows = 4, kFewPanels = 4;
  static constexpr int kManyRows = 8, kManyPanels = 3;
};
struct Bf16Tiles {
  static constexpr int kSoloPanels = 1;
  static constexpr Fetch kSoloFetch = Fetch::kNothing, kFewFetch = Fetch::kNothing;
  static constexpr int kFewRows = 4, kFewPanels = 4;
  static constexpr int kManyRows = 8, kManyPanels = 2;
};
template <class Codes>
struct CodeTiles {
  static constexpr int kSoloPanels = 1;
  static constexpr Fetch kSoloFetch = Fetch::kStream, kFewFetch = Fetch::kStream;
  // Nibbles: three rows are bound by arithmetic already.
  static constexpr int kFewRows = Codes::kNibbles ? 2 : 4, kFewPanels = 1;
  static constexpr int kManyRows = 8, kManyPanels = 2;
};

// acc = fma(x0, w0, fma(x1, w1, acc)) for the pairs at byte `at` of x's rows, which the instruction
// is while denormals are flushed.
template <int R, int P>
QUIRE_INLINE void add_pairs(const TileInput<R, P>& in, std::int64_t at, Vec (&acc)[R][P]) {
  __m512bh w[P];
  for (int p = 0; p < P; ++p) w[p] = (__m512bh)_mm512_loadu_si512(in.w[p] + at * kLanes);
  for (int r = 0; r < R; ++r) {
    const auto x = (__m512bh)_mm512_set1_epi32(*reinterpret_cast<const int*>(in.x[r] + at));
    for (int p = 0; p < P; ++p) acc[r][p].v = _mm512_dpbf16_ps(acc[r][p].v, w[p], x);
  }
}

// acc + four products of bytes in each lane. Not the intrinsic: g++ 12 copies its sums from
// register to register, two moves for each product.
QUIRE_INLINE __m512i add_quads(__m512i codes, __m512i x, __m512i acc) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(x));
  return acc;
}

QUIRE_INLINE __m512i splat_quad(const std::byte* p) {
  return _mm512_set1_epi32(*reinterpret_cast<const int*>(p));
}

// dot[r][p] += the codes of word j of w[p] times those of x[r].
template <class Codes, bool kAhead, int R, int P>
QUIRE_INLINE void add_word(const TileInput<R, P>& in, const CodeRun& run, std::int64_t j,
                           VecI (&dot)[R][P]) {
  call_ahead<kAhead>(in, run.w + 64 * j);
  const __m512i mask = _mm512_set1_epi8(15);
  __m512i w[P], high[P];
  for (int p = 0; p < P; ++p) {
    w[p] = _mm512_loadu_si512(in.w[p] + run.w + 64 * j);
    if constexpr (Codes::kNibbles) {
      high[p] = _mm512_and_si512(_mm512_srli_epi16(w[p], 4), mask);
      w[p] = _mm512_and_si512(w[p], mask);
    }
  }
  for (int r = 0; r < R; ++r) {
    const std::byte* at = in.x[r] + run.x + 4 * j;
    const __m512i x = splat_quad(at);
    for (int p = 0; p < P; ++p) dot[r][p].v = add_quads(w[p], x, dot[r][p].v);
    if constexpr (Codes::kNibbles) {
      const __m512i y = splat_quad(at + 4 * run.words);
      for (int p = 0; p < P; ++p) dot[r][p].v = add_quads(high[p], y, dot[r][p].v);
    }
  }
}

template <class Codes, bool kAhead, int R, int P>
QUIRE_INLINE void add_dots(const TileInput<R, P>& in, const CodeRun& run, VecI (&dot)[R][P]) {
  for (std::int64_t j = 0; j < run.words; ++j) add_word<Codes, kAhead>(in, run, j, dot);
}
