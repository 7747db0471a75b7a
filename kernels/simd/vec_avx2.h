// The vector vocabulary of vec_scalar.h on AVX2, FMA and F16C: 16 lanes in two registers.
// Included inside the row's namespace and target region.
#pragma once

struct Vec {
  __m256 lo, hi;
};
struct VecI {
  __m256i lo, hi;
};
struct Mask {
  __m256 lo, hi;
};

inline constexpr int kDots = 4;
inline constexpr int kTileVecs = 6;

template <class V>
QUIRE_INLINE V splat(float x) {
  const __m256 r = _mm256_set1_ps(x);
  return {r, r};
}
QUIRE_INLINE Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

QUIRE_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
QUIRE_INLINE __m256 widen_bf16(__m128i half) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
QUIRE_INLINE Vec load(const Bf16* p) {
  const auto* words = reinterpret_cast<const __m128i*>(p);
  return {widen_bf16(_mm_loadu_si128(words)), widen_bf16(_mm_loadu_si128(words + 1))};
}
QUIRE_INLINE Vec load(const F16* p) {
  const auto* words = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(words)), _mm256_cvtph_ps(_mm_loadu_si128(words + 1))};
}
template <int D>
QUIRE_INLINE __m256 widen_of_pair(__m256i pairs) {
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return _mm256_castsi256_ps(D == 0 ? _mm256_slli_epi32(pairs, 16) : _mm256_and_si256(pairs, high));
}
template <int D>
QUIRE_INLINE Vec load_of_pair(const Bf16* p) {
  const auto* pairs = reinterpret_cast<const __m256i*>(p);
  return {widen_of_pair<D>(_mm256_loadu_si256(pairs)),
          widen_of_pair<D>(_mm256_loadu_si256(pairs + 1))};
}

// A window of this table starting at 16 - n has its first n words set.
alignas(64) inline constexpr std::uint32_t kMaskWords[32] = {
    ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
QUIRE_INLINE Mask first_n(int n) {
  const auto* p = reinterpret_cast<const float*>(kMaskWords + kLanes - n);
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
QUIRE_INLINE Vec load_n(const float* p, int n) {
  const Mask m = first_n(n);
  return {_mm256_maskload_ps(p, _mm256_castps_si256(m.lo)),
          _mm256_maskload_ps(p + 8, _mm256_castps_si256(m.hi))};
}
template <class E>
QUIRE_INLINE Vec load_n(const E* p, int n) {
  alignas(32) E part[kLanes] = {};
  for (int i = 0; i < n; ++i) part[i] = p[i];
  return load(part);
}
QUIRE_INLINE void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
}
QUIRE_INLINE void store_n(float* p, Vec v, int n) {
  const Mask m = first_n(n);
  _mm256_maskstore_ps(p, _mm256_castps_si256(m.lo), v.lo);
  _mm256_maskstore_ps(p + 8, _mm256_castps_si256(m.hi), v.hi);
}

QUIRE_INLINE Vec add(Vec a, Vec b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
QUIRE_INLINE Vec sub(Vec a, Vec b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
QUIRE_INLINE Vec mul(Vec a, Vec b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
QUIRE_INLINE Vec div(Vec a, Vec b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
QUIRE_INLINE Vec max(Vec a, Vec b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
QUIRE_INLINE Vec min(Vec a, Vec b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
QUIRE_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
QUIRE_INLINE Vec madd(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
QUIRE_INLINE Vec nmadd(Vec a, Vec b, Vec c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}

QUIRE_INLINE VecI bits_of(Vec a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
QUIRE_INLINE Vec float_of(VecI a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
template <class V>
QUIRE_INLINE VecI splat_bits(std::uint32_t x) {
  const __m256i r = _mm256_set1_epi32(static_cast<int>(x));
  return {r, r};
}
QUIRE_INLINE VecI add(VecI a, VecI b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
QUIRE_INLINE VecI sub(VecI a, VecI b) {
  return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
QUIRE_INLINE VecI bit_and(VecI a, VecI b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
QUIRE_INLINE VecI bit_or(VecI a, VecI b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
QUIRE_INLINE VecI bit_xor(VecI a, VecI b) {
  return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
template <int S>
QUIRE_INLINE VecI shift_left(VecI a) {
  return {_mm256_slli_epi32(a.lo, S), _mm256_slli_epi32(a.hi, S)};
}
template <int S>
QUIRE_INLINE VecI shift_right(VecI a) {
  return {_mm256_srli_epi32(a.lo, S), _mm256_srli_epi32(a.hi, S)};
}

QUIRE_INLINE VecI load_words(const std::byte* p) {
  const auto* words = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1)};
}
QUIRE_INLINE Vec to_float(VecI a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }

QUIRE_INLINE Mask less(Vec a, Vec b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
QUIRE_INLINE Mask equal(Vec a, Vec b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ)};
}
QUIRE_INLINE Vec select(Mask m, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
QUIRE_INLINE bool any(Mask m) { return (_mm256_movemask_ps(m.lo) | _mm256_movemask_ps(m.hi)) != 0; }
QUIRE_INLINE bool all(Mask m) {
  return (_mm256_movemask_ps(m.lo) & _mm256_movemask_ps(m.hi)) == 0xff;
}

// One register of bf16 words in the low half of each 32-bit lane, rounded to nearest even.
QUIRE_INLINE __m256i round_bf16(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, quiet, nan);
}
QUIRE_INLINE void store(Bf16* p, Vec v) {
  const __m256i packed = _mm256_packus_epi32(round_bf16(v.lo), round_bf16(v.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}
QUIRE_INLINE void store_n(Bf16* p, Vec v, int n) {
  Bf16 part[kLanes];
  store(part, v);
  for (int i = 0; i < n; ++i) p[i] = part[i];
}

QUIRE_INLINE float reduce_add(Vec v) {
  const __m256 eight = _mm256_add_ps(v.lo, v.hi);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
QUIRE_INLINE float reduce_max(Vec v) {
  const __m256 eight = _mm256_max_ps(v.lo, v.hi);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
// The four trees side by side: after each step a register holds the partial sums of more vectors.
QUIRE_INLINE void reduce_add_dots(const Vec (&v)[kDots], float* out) {
  __m128 four[kDots];
  for (int i = 0; i < kDots; ++i) {
    const __m256 eight = _mm256_add_ps(v[i].lo, v[i].hi);
    four[i] = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  }
  const __m128 two_ab =
      _mm_add_ps(_mm_movelh_ps(four[0], four[1]), _mm_movehl_ps(four[1], four[0]));
  const __m128 two_cd =
      _mm_add_ps(_mm_movelh_ps(four[2], four[3]), _mm_movehl_ps(four[3], four[2]));
  _mm_storeu_ps(
      out, _mm_add_ps(_mm_shuffle_ps(two_ab, two_cd, 0x88), _mm_shuffle_ps(two_ab, two_cd, 0xdd)));
}

QUIRE_INLINE VecI max_bits(VecI a, VecI b) {
  return {_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)};
}
QUIRE_INLINE std::uint32_t reduce_max_bits(VecI a) {
  const __m256i eight = _mm256_max_epi32(a.lo, a.hi);
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
}
QUIRE_INLINE std::int32_t reduce_add_bits(VecI a) {
  const __m256i eight = _mm256_add_epi32(a.lo, a.hi);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
}
QUIRE_INLINE VecI rounded(Vec a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
QUIRE_INLINE void store_bytes(std::int8_t* p, VecI a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
  const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(words, words), 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(bytes));
}

QUIRE_INLINE float first_lane(Vec v) { return _mm256_cvtss_f32(v.lo); }
