// What AVX2 multiplies at once, and the tiles that fit its 16 registers.
// Included inside the row's namespace and target region, after body_matmul_tile.h.
#pragma once

// Rows by panels of one row, of a few rows and of many; a panel takes two registers of sums.
template <int kWeightBytes>
struct FloatTiles {
  static constexpr int kSoloPanels = kWeightBytes == 4 ? 2 : 4;
  static constexpr int kFewRows = 3, kFewPanels = 2;
  static constexpr int kManyRows = 6, kManyPanels = 1;
};
struct Bf16Tiles {
  static constexpr int kSoloPanels = 2;
  static constexpr int kFewRows = 2, kFewPanels = 2;
  static constexpr int kManyRows = 4, kManyPanels = 1;
};
template <class Codes>
struct CodeTiles {
  static constexpr int kSoloPanels = 1;
  static constexpr int kFewRows = 2, kFewPanels = 1;
  static constexpr int kManyRows = 4, kManyPanels = 1;
};

// Two bf16 of each lane, widened.
struct Pairs {
  Vec first, second;
};
QUIRE_INLINE Pairs load_pairs(const std::byte* p) {
  const auto* pairs = reinterpret_cast<const Bf16*>(p);
  return {load_of_pair<0>(pairs), load_of_pair<1>(pairs)};
}
QUIRE_INLINE Pairs splat_pair(const std::byte* p) {
  const __m256i pair = _mm256_set1_epi32(*reinterpret_cast<const int*>(p));
  const __m256 first = widen_of_pair<0>(pair), second = widen_of_pair<1>(pair);
  return {{first, first}, {second, second}};
}
QUIRE_INLINE Vec add_pairs(Pairs x, Pairs w, Vec acc) {
  return madd(x.first, w.first, madd(x.second, w.second, acc));
}

// vpmaddubsw needs one operand that does not overflow 16 bits: |code - 128|, or four bits.
inline constexpr bool kSignedCodes = true;

QUIRE_INLINE __m256i splat_quad(const std::byte* p) {
  return _mm256_set1_epi32(*reinterpret_cast<const int*>(p));
}
QUIRE_INLINE __m256i load_half(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// Products of four bits and eight: 15 * 127 * 2, of which eight fit 16 bits.
inline constexpr std::int64_t kNibbleWords = 4;

// part[r][h] += the nibbles of half h of a word times x[r], in 16 bits.
template <int R>
QUIRE_INLINE void add_nibbles(const std::byte* w, const std::byte* const (&x)[R], std::int64_t x_at,
                              std::int64_t x_high, __m256i (&part)[R][2]) {
  const __m256i mask = _mm256_set1_epi8(15);
  __m256i low[2], high[2];
  for (int h = 0; h < 2; ++h) {
    const __m256i both = load_half(w + 32 * h);
    low[h] = _mm256_and_si256(both, mask);
    high[h] = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
  }
  for (int r = 0; r < R; ++r) {
    const __m256i first = splat_quad(x[r] + x_at), second = splat_quad(x[r] + x_high);
    for (int h = 0; h < 2; ++h) {
      part[r][h] = _mm256_add_epi16(part[r][h], _mm256_maddubs_epi16(low[h], first));
      part[r][h] = _mm256_add_epi16(part[r][h], _mm256_maddubs_epi16(high[h], second));
    }
  }
}

template <bool kAhead, int R>
QUIRE_INLINE void add_nibble_dots(const TileInput<R, 1>& in, const CodeRun& run,
                                  VecI (&dot)[R][1]) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::int64_t j = 0; j < run.words;) {
    const std::int64_t end = j + kNibbleWords < run.words ? j + kNibbleWords : run.words;
    __m256i part[R][2];
    for (int r = 0; r < R; ++r) part[r][0] = part[r][1] = _mm256_setzero_si256();
    for (; j < end; ++j) {
      call_ahead<kAhead>(in, run.w + 64 * j);
      add_nibbles<R>(in.w[0] + run.w + 64 * j, in.x, run.x + 4 * j, run.x + 4 * (j + run.words),
                     part);
    }
    for (int r = 0; r < R; ++r) {
      dot[r][0].lo = _mm256_add_epi32(dot[r][0].lo, _mm256_madd_epi16(part[r][0], ones));
      dot[r][0].hi = _mm256_add_epi32(dot[r][0].hi, _mm256_madd_epi16(part[r][1], ones));
    }
  }
}

// acc + the signed bytes of w times those of x: |w| * (x with the sign of w).
QUIRE_INLINE __m256i add_signed(__m256i w, __m256i size, __m256i x, __m256i acc) {
  const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, w));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// dot[r][p] += the codes of x[r] times those of w[p]; 128 off those of eight bits.
template <class Codes, bool kAhead, int R>
QUIRE_INLINE void add_dots(const TileInput<R, 1>& in, const CodeRun& run, VecI (&dot)[R][1]) {
  if constexpr (Codes::kNibbles) return add_nibble_dots<kAhead>(in, run, dot);
  const __m256i top = _mm256_set1_epi8(static_cast<char>(0x80));
  for (std::int64_t j = 0; j < run.words; ++j) {
    call_ahead<kAhead>(in, run.w + 64 * j);
    const std::byte* at = in.w[0] + run.w + 64 * j;
    const __m256i low = _mm256_xor_si256(load_half(at), top);
    const __m256i high = _mm256_xor_si256(load_half(at + 32), top);
    const __m256i low_size = _mm256_abs_epi8(low), high_size = _mm256_abs_epi8(high);
    for (int r = 0; r < R; ++r) {
      const __m256i x = splat_quad(in.x[r] + run.x + 4 * j);
      dot[r][0].lo = add_signed(low, low_size, x, dot[r][0].lo);
      dot[r][0].hi = add_signed(high, high_size, x, dot[r][0].hi);
    }
  }
}
