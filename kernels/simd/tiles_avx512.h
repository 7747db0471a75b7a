// What AVX-512 with VNNI and BF16 multiplies at once, and the tiles that fit its 32 registers.
// Included inside the row's namespace and target region, after body_matmul_tile.h.
#pragma once

// Rows by panels of one row, of a few rows and of many. A panel is one chain of dependent
// operations; narrow weights need more of them to keep memory busy.
template <int kWeightBytes>
struct FloatTiles {
  static constexpr int kSoloPanels = kWeightBytes == 4 ? 2 : 4;
  static constexpr int kFewRows = 4, kFewPanels = 4;
  static constexpr int kManyRows = 8, kManyPanels = 3;
};
struct Bf16Tiles {
  static constexpr int kSoloPanels = 1;
  static constexpr int kFewRows = 4, kFewPanels = 4;
  static constexpr int kManyRows = 8, kManyPanels = 2;
};
template <class Codes>
struct CodeTiles {
  static constexpr int kSoloPanels = 1;
  static constexpr int kFewRows = 4, kFewPanels = 4;
  static constexpr int kManyRows = 8, kManyPanels = 2;
};

// Two bf16 of each lane.
struct Pairs {
  __m512bh v;
};
QUIRE_INLINE Pairs load_pairs(const std::byte* p) { return {(__m512bh)_mm512_loadu_si512(p)}; }
QUIRE_INLINE Pairs splat_pair(const std::byte* p) {
  return {(__m512bh)_mm512_set1_epi32(*reinterpret_cast<const int*>(p))};
}
// acc = fma(x0, w0, fma(x1, w1, acc)), which the instruction is while denormals are flushed.
QUIRE_INLINE Vec add_pairs(Pairs x, Pairs w, Vec acc) {
  return {_mm512_dpbf16_ps(acc.v, w.v, x.v)};
}

// vpdpbusd takes the codes of weights as they are, unsigned.
inline constexpr bool kSignedCodes = false;

QUIRE_INLINE __m512i splat_quad(const std::byte* p) {
  return _mm512_set1_epi32(*reinterpret_cast<const int*>(p));
}

// dot[r][p] += the codes of x[r] times those of w[p].
template <class Codes, bool kAhead, int R, int P>
QUIRE_INLINE void add_dots(const TileInput<R, P>& in, const CodeRun& run, VecI (&dot)[R][P]) {
  const __m512i low = _mm512_set1_epi8(15);
  for (std::int64_t j = 0; j < run.words; ++j) {
    call_ahead<kAhead>(in, run.w + 64 * j);
    __m512i w[P], high[P];
    for (int p = 0; p < P; ++p) {
      w[p] = _mm512_loadu_si512(in.w[p] + run.w + 64 * j);
      if constexpr (Codes::kNibbles) {
        high[p] = _mm512_and_si512(_mm512_srli_epi16(w[p], 4), low);
        w[p] = _mm512_and_si512(w[p], low);
      }
    }
    for (int r = 0; r < R; ++r) {
      const std::byte* at = in.x[r] + run.x + 4 * j;
      const __m512i x = splat_quad(at);
      for (int p = 0; p < P; ++p) dot[r][p].v = _mm512_dpbusd_epi32(dot[r][p].v, w[p], x);
      if constexpr (Codes::kNibbles) {
        const __m512i y = splat_quad(at + 4 * run.words);
        for (int p = 0; p < P; ++p) dot[r][p].v = _mm512_dpbusd_epi32(dot[r][p].v, high[p], y);
      }
    }
  }
}
