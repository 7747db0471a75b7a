// What AVX2 multiplies at once, and the tiles that fit its 16 registers.
// Included inside the row's namespace and target region, after body_matmul_tile.h.
#pragma once

// Rows by panels of one row, of a few rows and of many; a panel takes two registers of sums.
template <int kWeightBytes>
struct FloatTiles {
  static constexpr int kSoloPanels = kWeightBytes == 4 ? 2 : 4;
  static constexpr Fetch kSoloFetch = Fetch::kNothing, kFewFetch = Fetch::kNothing;
  static constexpr int kFewRows = 3, kFewPanels = 2;
  static constexpr int kManyRows = 6, kManyPanels = 1;
};
struct Bf16Tiles {
  static constexpr int kSoloPanels = 2;
  static constexpr Fetch kSoloFetch = Fetch::kNothing, kFewFetch = Fetch::kNothing;
  static constexpr int kFewRows = 2, kFewPanels = 2;
  static constexpr int kManyRows = 4, kManyPanels = 1;
};
template <class Codes>
struct CodeTiles {
  static constexpr int kSoloPanels = 1;
  static constexpr Fetch kSoloFetch = Fetch::kNothing, kFewFetch = Fetch::kNothing;
  static constexpr int kFewRows = 1, kFewPanels = 1;  // none: two rows are bound by arithmetic
  static constexpr int kManyRows = 4, kManyPanels = 1;
};

// acc += the elements D of the pairs at byte `at` of x's rows times those of w.
template <int D, int R, int P>
QUIRE_INLINE void add_elements(const TileInput<R, P>& in, std::int64_t at, Vec (&acc)[R][P]) {
  Vec w[P];
  for (int p = 0; p < P; ++p)
    w[p] = load_of_pair<D>(reinterpret_cast<const Bf16*>(in.w[p] + at * kLanes));
  for (int r = 0; r < R; ++r) {
    const int pair = *reinterpret_cast<const int*>(in.x[r] + at);
    const __m256 x = widen_of_pair<D>(_mm256_set1_epi32(pair));
    for (int p = 0; p < P; ++p) acc[r][p] = madd({x, x}, w[p], acc[r][p]);
  }
}
// acc = fma(x0, w0, fma(x1, w1, acc)) for the pairs at byte `at` of x's rows.
template <int R, int P>
QUIRE_INLINE void add_pairs(const TileInput<R, P>& in, std::int64_t at, Vec (&acc)[R][P]) {
  add_elements<1>(in, at, acc);
  add_elements<0>(in, at, acc);
}

QUIRE_INLINE __m256i splat_quad(const std::byte* p) {
  return _mm256_set1_epi32(*reinterpret_cast<const int*>(p));
}
QUIRE_INLINE __m256i load_half(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// The sums of the loops below are inline assembly because g++ 12 reorders the additions of the
// intrinsics until the sums do not fit the registers.

// acc + pairs of products of unsigned and signed bytes, in 16 bits.
QUIRE_INLINE __m256i add_bytes(__m256i codes, __m256i x, __m256i acc) {
  __m256i pairs;
  asm("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(acc), "=&x"(pairs) : "x"(codes), "x"(x));
  return acc;
}
// acc + pairs of products of 16 bits, in 32.
QUIRE_INLINE __m256i add_words(__m256i codes, __m256i x, __m256i acc) {
  __m256i pairs;
  asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(acc), "=&x"(pairs) : "x"(codes), "x"(x));
  return acc;
}

// part[r][h] += the nibbles of half h of word j times x[r], in 16 bits; kFirst: part is empty.
template <bool kAhead, bool kFirst, int R>
QUIRE_INLINE void add_nibbles(const TileInput<R, 1>& in, const CodeRun& run, std::int64_t j,
                              __m256i (&part)[R][2]) {
  call_ahead<kAhead>(in, run.w + 64 * j);
  const std::byte* at = in.w[0] + run.w + 64 * j;
  const __m256i mask = _mm256_set1_epi8(15);
  __m256i w[2];
  for (int h = 0; h < 2; ++h) w[h] = _mm256_and_si256(load_half(at + 32 * h), mask);
  for (int r = 0; r < R; ++r) {
    const __m256i x = splat_quad(in.x[r] + run.x + 4 * j);
    for (int h = 0; h < 2; ++h) {
      part[r][h] = kFirst ? _mm256_maddubs_epi16(w[h], x) : add_bytes(w[h], x, part[r][h]);
    }
  }
  for (int h = 0; h < 2; ++h)
    w[h] = _mm256_and_si256(_mm256_srli_epi16(load_half(at + 32 * h), 4), mask);
  for (int r = 0; r < R; ++r) {
    const __m256i x = splat_quad(in.x[r] + run.x + 4 * (j + run.words));
    for (int h = 0; h < 2; ++h) part[r][h] = add_bytes(w[h], x, part[r][h]);
  }
}

// Four words of nibbles are eight products of at most 15 * 127 * 2, which fit 16 bits.
inline constexpr int kNibbleWords = 4;

template <bool kAhead, int R>
QUIRE_INLINE void add_nibble_dots(const TileInput<R, 1>& in, const CodeRun& run,
                                  VecI (&dot)[R][1]) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::int64_t j = 0; j < run.words; j += kNibbleWords) {
    __m256i part[R][2];
    add_nibbles<kAhead, true>(in, run, j, part);
    if (j + kNibbleWords <= run.words) {
      for (int i = 1; i < kNibbleWords; ++i) add_nibbles<kAhead, false>(in, run, j + i, part);
    } else {
      for (std::int64_t i = j + 1; i < run.words; ++i) add_nibbles<kAhead, false>(in, run, i, part);
    }
    for (int r = 0; r < R; ++r) {
      dot[r][0].lo = _mm256_add_epi32(dot[r][0].lo, _mm256_madd_epi16(part[r][0], ones));
      dot[r][0].hi = _mm256_add_epi32(dot[r][0].hi, _mm256_madd_epi16(part[r][1], ones));
    }
  }
}

// Codes of x in 16 bits: of each four, elements 0 and 2, and 1 and 3.
inline constexpr int kWideWords = 32;
struct WideCodes {
  alignas(32) std::int32_t even[kWideWords], odd[kWideWords];
};
QUIRE_INLINE void widen_codes(const std::byte* x, std::int64_t words, WideCodes& wide) {
  for (std::int64_t j = 0; j < words; j += 8) {
    const __m256i codes = load_half(x + 4 * j);
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 8);
    _mm256_store_si256(reinterpret_cast<__m256i*>(wide.even + j), even);
    _mm256_store_si256(reinterpret_cast<__m256i*>(wide.odd + j), _mm256_srai_epi16(codes, 8));
  }
}

// Codes of eight bits, as many words as WideCodes holds. Bytes that vpmaddubsw could multiply at
// once would have to be |w| and x with the sign of w; the sign costs more than widening does.
template <bool kAhead, int R>
QUIRE_INLINE void add_wide_dots(const TileInput<R, 1>& in, const CodeRun& run, VecI (&dot)[R][1]) {
  WideCodes x[R];
  for (int r = 0; r < R; ++r) widen_codes(in.x[r] + run.x, run.words, x[r]);
  const __m256i mask = _mm256_set1_epi16(255);
  for (std::int64_t j = 0; j < run.words; ++j) {
    call_ahead<kAhead>(in, run.w + 64 * j);
    const std::byte* at = in.w[0] + run.w + 64 * j;
    const __m256i low = _mm256_and_si256(load_half(at), mask);
    const __m256i high = _mm256_and_si256(load_half(at + 32), mask);
    for (int r = 0; r < R; ++r) {
      const __m256i even = _mm256_set1_epi32(x[r].even[j]);
      dot[r][0].lo = add_words(low, even, dot[r][0].lo);
      dot[r][0].hi = add_words(high, even, dot[r][0].hi);
    }
    const __m256i low_odd = _mm256_srli_epi16(load_half(at), 8);
    const __m256i high_odd = _mm256_srli_epi16(load_half(at + 32), 8);
    for (int r = 0; r < R; ++r) {
      const __m256i odd = _mm256_set1_epi32(x[r].odd[j]);
      dot[r][0].lo = add_words(low_odd, odd, dot[r][0].lo);
      dot[r][0].hi = add_words(high_odd, odd, dot[r][0].hi);
    }
  }
}

// dot[r][p] += the codes of x[r] times those of w[p].
template <class Codes, bool kAhead, int R>
QUIRE_INLINE void add_dots(const TileInput<R, 1>& in, const CodeRun& run, VecI (&dot)[R][1]) {
  if constexpr (Codes::kNibbles) return add_nibble_dots<kAhead>(in, run, dot);
  for (std::int64_t j = 0; j < run.words; j += kWideWords) {
    const std::int64_t words = run.words - j < kWideWords ? run.words - j : kWideWords;
    add_wide_dots<kAhead>(in, {run.w + 64 * j, run.x + 4 * j, words}, dot);
  }
}
