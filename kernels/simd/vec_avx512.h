// The vector vocabulary of vec_scalar.h on AVX-512 F, BW, DQ and VL: 16 lanes in one register.
// Included inside the row's namespace and target region.
#pragma once

struct Vec {
  __m512 v;
};
struct VecI {
  __m512i v;
};
struct Mask {
  __mmask16 m;
};

inline constexpr int kDots = 16;
inline constexpr int kTileVecs = 24;

template <class V>
QUIRE_INLINE V splat(float x) {
  return {_mm512_set1_ps(x)};
}
QUIRE_INLINE Vec zero() { return {_mm512_setzero_ps()}; }

QUIRE_INLINE Mask first_n(int n) {
  return {static_cast<__mmask16>((1u << static_cast<unsigned>(n)) - 1u)};
}
QUIRE_INLINE Vec widen_bf16(__m256i half) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}
QUIRE_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
QUIRE_INLINE Vec load(const Bf16* p) {
  return widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
QUIRE_INLINE Vec load(const F16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
QUIRE_INLINE Vec load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_n(n).m, p)}; }
QUIRE_INLINE Vec load_n(const Bf16* p, int n) {
  return widen_bf16(_mm256_maskz_loadu_epi16(first_n(n).m, p));
}
QUIRE_INLINE Vec load_n(const F16* p, int n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_n(n).m, p))};
}
template <int D>
QUIRE_INLINE Vec load_of_pair(const Bf16* p) {
  const __m512i pairs = _mm512_loadu_si512(p);
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  return {
      _mm512_castsi512_ps(D == 0 ? _mm512_slli_epi32(pairs, 16) : _mm512_and_si512(pairs, high))};
}
QUIRE_INLINE void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
QUIRE_INLINE void store_n(float* p, Vec a, int n) { _mm512_mask_storeu_ps(p, first_n(n).m, a.v); }

QUIRE_INLINE Vec add(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
QUIRE_INLINE Vec sub(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
QUIRE_INLINE Vec mul(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
QUIRE_INLINE Vec div(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
QUIRE_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
QUIRE_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
QUIRE_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
QUIRE_INLINE Vec madd(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
QUIRE_INLINE Vec nmadd(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }

QUIRE_INLINE VecI bits_of(Vec a) { return {_mm512_castps_si512(a.v)}; }
QUIRE_INLINE Vec float_of(VecI a) { return {_mm512_castsi512_ps(a.v)}; }
template <class V>
QUIRE_INLINE VecI splat_bits(std::uint32_t x) {
  return {_mm512_set1_epi32(static_cast<int>(x))};
}
QUIRE_INLINE VecI add(VecI a, VecI b) { return {_mm512_add_epi32(a.v, b.v)}; }
QUIRE_INLINE VecI sub(VecI a, VecI b) { return {_mm512_sub_epi32(a.v, b.v)}; }
QUIRE_INLINE VecI bit_and(VecI a, VecI b) { return {_mm512_and_si512(a.v, b.v)}; }
QUIRE_INLINE VecI bit_or(VecI a, VecI b) { return {_mm512_or_si512(a.v, b.v)}; }
QUIRE_INLINE VecI bit_xor(VecI a, VecI b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int S>
QUIRE_INLINE VecI shift_left(VecI a) {
  return {_mm512_slli_epi32(a.v, S)};
}
template <int S>
QUIRE_INLINE VecI shift_right(VecI a) {
  return {_mm512_srli_epi32(a.v, S)};
}

QUIRE_INLINE VecI load_words(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
QUIRE_INLINE Vec to_float(VecI a) { return {_mm512_cvtepi32_ps(a.v)}; }

QUIRE_INLINE Mask less(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
QUIRE_INLINE Mask equal(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
QUIRE_INLINE Vec select(Mask m, Vec yes, Vec no) {
  return {_mm512_mask_blend_ps(m.m, no.v, yes.v)};
}
QUIRE_INLINE bool any(Mask m) { return m.m != 0; }
QUIRE_INLINE bool all(Mask m) { return m.m == 0xffff; }

// bf16 words rounded to nearest even; NaN stays NaN.
QUIRE_INLINE __m256i round_bf16(Vec value) {
  const __m512i bits = _mm512_castps_si512(value.v);
  const __m512i high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(
      _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(value.v, value.v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
}
QUIRE_INLINE void store(Bf16* p, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), round_bf16(a));
}
QUIRE_INLINE void store_n(Bf16* p, Vec a, int n) {
  _mm256_mask_storeu_epi16(p, first_n(n).m, round_bf16(a));
}

QUIRE_INLINE float reduce_add(Vec a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
QUIRE_INLINE float reduce_max(Vec a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

// One step of two trees at once: halves (quarters) of a and b added, results side by side.
QUIRE_INLINE __m512 fold_eight(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
QUIRE_INLINE __m512 fold_four(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}
QUIRE_INLINE __m512 fold_two(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}
QUIRE_INLINE __m512 fold_one(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}
// Sixteen trees at once. The last two steps interleave within 128-bit blocks, so the vectors enter
// as a 4 x 4 transpose to leave in order.
QUIRE_INLINE void reduce_add_dots(const Vec (&a)[kDots], float* out) {
  __m512 quad[4];
  for (int i = 0; i < 4; ++i) {
    quad[i] = fold_four(fold_eight(a[i].v, a[i + 4].v), fold_eight(a[i + 8].v, a[i + 12].v));
  }
  _mm512_storeu_ps(out, fold_one(fold_two(quad[0], quad[1]), fold_two(quad[2], quad[3])));
}

QUIRE_INLINE VecI max_bits(VecI a, VecI b) { return {_mm512_max_epi32(a.v, b.v)}; }
QUIRE_INLINE std::uint32_t reduce_max_bits(VecI a) {
  return static_cast<std::uint32_t>(_mm512_reduce_max_epi32(a.v));
}
QUIRE_INLINE std::int32_t reduce_add_bits(VecI a) { return _mm512_reduce_add_epi32(a.v); }
QUIRE_INLINE VecI rounded(Vec a) { return {_mm512_cvtps_epi32(a.v)}; }
QUIRE_INLINE void store_bytes(std::int8_t* p, VecI a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

QUIRE_INLINE float first_lane(Vec a) { return _mm512_cvtss_f32(a.v); }
