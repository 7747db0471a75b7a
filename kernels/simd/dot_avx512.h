// The formats of dot_scalar.h on AVX-512 with VNNI and BF16.
// Included inside the row's namespace and target region, after vec_avx512.h.
#pragma once

// Tiles of Q queries by `wide(Q)` panels: sixteen sums hide the latency of the products.
constexpr int wide_of(int queries) { return queries >= 8 ? 2 : queries == 4 ? 4 : 8; }

struct KvF32 {
  static constexpr int kPacked = 1, kOperandWords = 1;
  static constexpr bool kScaled = false;
  static constexpr int kQueries = 8;
  static constexpr int wide(int queries) { return wide_of(queries); }
  using Acc = Vec;
  using Panel = Vec;
  using Operand = Vec;

  QUIRE_INLINE static Vec put(float* to, Vec x) {
    store(to, x);
    return x;
  }
  QUIRE_INLINE static Panel load_keys(const std::byte* p) {
    return load(reinterpret_cast<const float*>(p));
  }
  QUIRE_INLINE static Panel load_values(const std::byte* p) { return load_keys(p); }
  QUIRE_INLINE static Operand operand(const float* p) { return splat<Vec>(*p); }
  QUIRE_INLINE static Acc start(float) { return zero(); }
  QUIRE_INLINE static Acc dot_keys(Acc acc, const Panel& p, Operand x) { return madd(x, p, acc); }
  QUIRE_INLINE static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    return dot_keys(acc, p, x);
  }
  QUIRE_INLINE static Vec sums(Acc acc) { return acc; }
};

// A word of scratch in every lane.
QUIRE_INLINE __m512i splat_word(const float* p) {
  std::int32_t word;
  std::memcpy(&word, p, sizeof(word));
  return _mm512_set1_epi32(word);
}

struct KvBf16 {
  static constexpr int kPacked = 2, kOperandWords = 1;
  static constexpr bool kScaled = false;
  static constexpr int kQueries = 8;
  static constexpr int wide(int queries) { return wide_of(queries); }
  using Acc = Vec;
  struct Panel {
    __m512i v;
  };
  using Operand = Panel;

  QUIRE_INLINE static Vec put(float* to, Vec x) {
    const __m256bh rounded = _mm512_cvtneps_pbh(x.v);
    __m256i words;
    std::memcpy(&words, &rounded, sizeof(words));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), words);
    return widen_bf16(words);
  }
  QUIRE_INLINE static Panel load_keys(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
  QUIRE_INLINE static Panel load_values(const std::byte* p) { return load_keys(p); }
  QUIRE_INLINE static Operand operand(const float* p) { return {splat_word(p)}; }
  QUIRE_INLINE static Acc start(float) { return zero(); }
  QUIRE_INLINE static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    return {_mm512_dpbf16_ps(acc.v, (__m512bh)p.v, (__m512bh)x.v)};
  }
  QUIRE_INLINE static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    return dot_keys(acc, p, x);
  }
  QUIRE_INLINE static Vec sums(Acc acc) { return acc; }
};

struct KvI8 {
  static constexpr int kPacked = 4, kOperandWords = 1;
  static constexpr bool kScaled = true;
  static constexpr int kQueries = 8;
  static constexpr int wide(int queries) { return wide_of(queries); }
  using Acc = VecI;
  using Panel = VecI;
  using Operand = VecI;

  QUIRE_INLINE static Vec put(float* to, Vec x) {
    const __m512i code = _mm512_cvtps_epi32(x.v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(code));
    return {_mm512_cvtepi32_ps(code)};
  }
  QUIRE_INLINE static Panel load_keys(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
  QUIRE_INLINE static Panel load_values(const std::byte* p) { return load_keys(p); }
  QUIRE_INLINE static Operand operand(const float* p) { return {splat_word(p)}; }
  QUIRE_INLINE static Acc start(float offset) {
    return {_mm512_set1_epi32(static_cast<int>(offset))};
  }
  QUIRE_INLINE static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    return {_mm512_dpbusd_epi32(acc.v, p.v, x.v)};
  }
  QUIRE_INLINE static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    return {_mm512_dpbusd_epi32(acc.v, x.v, p.v)};
  }
  QUIRE_INLINE static Vec sums(Acc acc) { return {_mm512_cvtepi32_ps(acc.v)}; }
};
