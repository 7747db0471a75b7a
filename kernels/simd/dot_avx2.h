// The formats of dot_scalar.h on AVX2 and FMA; a Vec is two registers.
// Included inside the row's namespace and target region, after vec_avx2.h.
#pragma once

// Tiles of Q queries by `wide(Q)` panels whose sums, panel and operand fit sixteen registers.
struct KvF32 {
  static constexpr int kPacked = 1, kOperandWords = 1;
  static constexpr bool kScaled = false;
  static constexpr int kQueries = 6;
  static constexpr int wide(int queries) { return queries == 1 ? 4 : queries == 2 ? 2 : 1; }
  using Acc = Vec;
  using Panel = Vec;
  using Operand = __m256;

  QUIRE_INLINE static Vec put(float* to, Vec x) {
    store(to, x);
    return x;
  }
  QUIRE_INLINE static Panel load_keys(const std::byte* p) {
    return load(reinterpret_cast<const float*>(p));
  }
  QUIRE_INLINE static Panel load_values(const std::byte* p) { return load_keys(p); }
  QUIRE_INLINE static Operand operand(const float* p) { return _mm256_broadcast_ss(p); }
  QUIRE_INLINE static Acc start(float) { return zero(); }
  QUIRE_INLINE static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    return madd({x, x}, p, acc);
  }
  QUIRE_INLINE static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    return dot_keys(acc, p, x);
  }
  QUIRE_INLINE static Vec sums(Acc acc) { return acc; }
};

// Two fma in the order of the bf16 instruction: the odd elements first.
struct KvBf16 {
  static constexpr int kPacked = 2, kOperandWords = 2;
  static constexpr bool kScaled = false;
  static constexpr int kQueries = 4;
  static constexpr int wide(int queries) { return queries == 4 ? 1 : 2; }
  using Acc = Vec;
  struct Panel {
    Vec even, odd;
  };
  struct Operand {
    __m256 even, odd;
  };

  QUIRE_INLINE static Vec put(float* to, Vec x) {
    const Vec flushed = add(x, zero());
    const Vec rounded = {_mm256_castsi256_ps(_mm256_slli_epi32(round_bf16(flushed.lo), 16)),
                         _mm256_castsi256_ps(_mm256_slli_epi32(round_bf16(flushed.hi), 16))};
    store(to, rounded);
    return rounded;
  }
  QUIRE_INLINE static Panel load_keys(const std::byte* p) {
    const auto* words = reinterpret_cast<const __m256i*>(p);
    const __m256i lo = _mm256_loadu_si256(words), hi = _mm256_loadu_si256(words + 1);
    const __m256i high_half = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    return {{_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
             _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))},
            {_mm256_castsi256_ps(_mm256_and_si256(lo, high_half)),
             _mm256_castsi256_ps(_mm256_and_si256(hi, high_half))}};
  }
  QUIRE_INLINE static Panel load_values(const std::byte* p) { return load_keys(p); }
  QUIRE_INLINE static Operand operand(const float* p) {
    return {_mm256_broadcast_ss(p), _mm256_broadcast_ss(p + 1)};
  }
  QUIRE_INLINE static Acc start(float) { return zero(); }
  QUIRE_INLINE static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    return madd({x.even, x.even}, p.even, madd({x.odd, x.odd}, p.odd, acc));
  }
  QUIRE_INLINE static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    return dot_keys(acc, p, x);
  }
  QUIRE_INLINE static Vec sums(Acc acc) { return acc; }
};

// vpmaddubsw would saturate (255 * 127 * 2 > 32,767), so bytes are widened to 16 bits: the panel as
// its even and its odd bytes, the operand as the words (x0, x2) and (x1, x3).
struct KvI8 {
  static constexpr int kPacked = 4, kOperandWords = 2;
  static constexpr bool kScaled = true;
  static constexpr int kQueries = 4;
  static constexpr int wide(int queries) { return queries == 4 ? 1 : 2; }
  using Acc = VecI;
  struct Panel {
    VecI even, odd;
  };
  struct Operand {
    __m256i even, odd;
  };

  QUIRE_INLINE static void put_half(float* to, __m256i code) {
    const __m256i low = _mm256_and_si256(code, _mm256_set1_epi32(0xffff));
    const __m256i high = _mm256_slli_epi32(_mm256_srli_si256(code, 8), 16);
    const __m256i words = _mm256_or_si256(low, high);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(words));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 2), _mm256_extracti128_si256(words, 1));
  }
  QUIRE_INLINE static Vec put(float* to, Vec x) {
    const __m256i lo = _mm256_cvtps_epi32(x.lo), hi = _mm256_cvtps_epi32(x.hi);
    put_half(to, lo);
    put_half(to + 4, hi);
    return {_mm256_cvtepi32_ps(lo), _mm256_cvtepi32_ps(hi)};
  }
  QUIRE_INLINE static Panel load_keys(const std::byte* p) {
    const auto* words = reinterpret_cast<const __m256i*>(p);
    const __m256i lo = _mm256_loadu_si256(words), hi = _mm256_loadu_si256(words + 1);
    const __m256i low_byte = _mm256_set1_epi16(0xff);
    return {{_mm256_and_si256(lo, low_byte), _mm256_and_si256(hi, low_byte)},
            {_mm256_srli_epi16(lo, 8), _mm256_srli_epi16(hi, 8)}};
  }
  QUIRE_INLINE static Panel load_values(const std::byte* p) {
    const auto* words = reinterpret_cast<const __m256i*>(p);
    const __m256i lo = _mm256_loadu_si256(words), hi = _mm256_loadu_si256(words + 1);
    return {{_mm256_srai_epi16(_mm256_slli_epi16(lo, 8), 8),
             _mm256_srai_epi16(_mm256_slli_epi16(hi, 8), 8)},
            {_mm256_srai_epi16(lo, 8), _mm256_srai_epi16(hi, 8)}};
  }
  QUIRE_INLINE static Operand operand(const float* p) {
    return {_mm256_castps_si256(_mm256_broadcast_ss(p)),
            _mm256_castps_si256(_mm256_broadcast_ss(p + 1))};
  }
  QUIRE_INLINE static Acc start(float offset) {
    const __m256i r = _mm256_set1_epi32(static_cast<int>(offset));
    return {r, r};
  }
  QUIRE_INLINE static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    acc.lo = _mm256_add_epi32(acc.lo, _mm256_madd_epi16(p.even.lo, x.even));
    acc.hi = _mm256_add_epi32(acc.hi, _mm256_madd_epi16(p.even.hi, x.even));
    acc.lo = _mm256_add_epi32(acc.lo, _mm256_madd_epi16(p.odd.lo, x.odd));
    acc.hi = _mm256_add_epi32(acc.hi, _mm256_madd_epi16(p.odd.hi, x.odd));
    return acc;
  }
  QUIRE_INLINE static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    return dot_keys(acc, p, x);
  }
  QUIRE_INLINE static Vec sums(Acc acc) {
    return {_mm256_cvtepi32_ps(acc.lo), _mm256_cvtepi32_ps(acc.hi)};
  }
};
