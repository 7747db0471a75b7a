// The vector vocabulary in plain C++: what each operation means, lane by lane.
// Included inside the row's namespace. VecN<16> is Vec; VecN<1> serves the scalar functions.
// vec_avx2.h and vec_avx512.h define the same names with the same results.
#pragma once

template <int N>
struct VecN {
  float l[N];
};
template <int N>
struct VecIN {
  std::uint32_t l[N];
};
template <int N>
struct MaskN {
  bool l[N];
};
using Vec = VecN<kLanes>;
using VecI = VecIN<kLanes>;
using Mask = MaskN<kLanes>;

// Independent sums that fit the registers together; vectors per register tile of a matmul.
inline constexpr int kDots = 4;
inline constexpr int kTileVecs = 4;

#define QUIRE_LANES(N) for (int i = 0; i < (N); ++i)
// Sixteen fma or comparisons at every use would take a compiler minutes; a call is small beside
// them.
#define QUIRE_CALL inline __attribute__((noinline))

// splat<V>(x): x in every lane.
template <class V>
QUIRE_INLINE V splat(float x) {
  V r;
  for (float& lane : r.l) lane = x;
  return r;
}
QUIRE_INLINE Vec zero() { return splat<Vec>(0.0f); }

QUIRE_INLINE Vec load(const float* p) {
  Vec r;
  std::memcpy(r.l, p, sizeof(r.l));
  return r;
}
QUIRE_CALL Vec load(const Bf16* p) {
  Vec r;
  QUIRE_LANES(kLanes) r.l[i] = bf16_to_f32(p[i].bits);
  return r;
}
QUIRE_CALL Vec load(const F16* p) {
  Vec r;
  QUIRE_LANES(kLanes) r.l[i] = f16_to_f32(p[i].bits);
  return r;
}
// The first n elements, 0 <= n <= 16; the other lanes are 0 and memory past n is not read.
template <class E>
QUIRE_CALL Vec load_n(const E* p, int n) {
  E part[kLanes] = {};
  QUIRE_LANES(n) part[i] = p[i];
  return load(part);
}
QUIRE_INLINE void store(float* p, Vec v) { std::memcpy(p, v.l, sizeof(v.l)); }
// Rounds to nearest even.
QUIRE_CALL void store(Bf16* p, Vec v) { QUIRE_LANES(kLanes) p[i].bits = f32_to_bf16(v.l[i]); }
template <class E>
QUIRE_CALL void store_n(E* p, Vec v, int n) {
  E part[kLanes];
  store(part, v);
  QUIRE_LANES(n) p[i] = part[i];
}

#define QUIRE_BINARY(name, type, expression)      \
  template <int N>                                \
  QUIRE_CALL type<N> name(type<N> a, type<N> b) { \
    type<N> r;                                    \
    QUIRE_LANES(N) r.l[i] = expression;           \
    return r;                                     \
  }
QUIRE_BINARY(add, VecN, a.l[i] + b.l[i])
QUIRE_BINARY(sub, VecN, a.l[i] - b.l[i])
QUIRE_BINARY(mul, VecN, a.l[i] * b.l[i])
QUIRE_BINARY(div, VecN, a.l[i] / b.l[i])
// b where either is NaN and where both are zero.
QUIRE_BINARY(max, VecN, a.l[i] > b.l[i] ? a.l[i] : b.l[i])
QUIRE_BINARY(min, VecN, a.l[i] < b.l[i] ? a.l[i] : b.l[i])
QUIRE_BINARY(add, VecIN, a.l[i] + b.l[i])
QUIRE_BINARY(sub, VecIN, a.l[i] - b.l[i])
QUIRE_BINARY(bit_and, VecIN, a.l[i] & b.l[i])
QUIRE_BINARY(bit_or, VecIN, a.l[i] | b.l[i])
QUIRE_BINARY(bit_xor, VecIN, a.l[i] ^ b.l[i])
QUIRE_BINARY(max_bits, VecIN, a.l[i] > b.l[i] ? a.l[i] : b.l[i])  // of words below 2^31
#undef QUIRE_BINARY

template <int N>
QUIRE_CALL VecN<N> sqrt(VecN<N> a) {
  VecN<N> r;
  QUIRE_LANES(N) r.l[i] = __builtin_sqrtf(a.l[i]);
  return r;
}
// a * b + c, rounded once.
template <int N>
QUIRE_CALL VecN<N> madd(VecN<N> a, VecN<N> b, VecN<N> c) {
  VecN<N> r;
  QUIRE_LANES(N) r.l[i] = __builtin_fmaf(a.l[i], b.l[i], c.l[i]);
  return r;
}
// c - a * b, rounded once.
template <int N>
QUIRE_CALL VecN<N> nmadd(VecN<N> a, VecN<N> b, VecN<N> c) {
  VecN<N> r;
  QUIRE_LANES(N) r.l[i] = __builtin_fmaf(-a.l[i], b.l[i], c.l[i]);
  return r;
}

template <int N>
QUIRE_INLINE VecIN<N> bits_of(VecN<N> a) {
  VecIN<N> r;
  std::memcpy(r.l, a.l, sizeof(r.l));
  return r;
}
template <int N>
QUIRE_INLINE VecN<N> float_of(VecIN<N> a) {
  VecN<N> r;
  std::memcpy(r.l, a.l, sizeof(r.l));
  return r;
}
// The word x in every lane, of the integer type that belongs to V.
template <class V>
QUIRE_INLINE auto splat_bits(std::uint32_t x) {
  auto r = bits_of(V{});
  for (std::uint32_t& lane : r.l) lane = x;
  return r;
}
template <int S, int N>
QUIRE_CALL VecIN<N> shift_left(VecIN<N> a) {
  QUIRE_LANES(N) a.l[i] <<= S;
  return a;
}
template <int S, int N>
QUIRE_CALL VecIN<N> shift_right(VecIN<N> a) {  // logical
  QUIRE_LANES(N) a.l[i] >>= S;
  return a;
}

#define QUIRE_COMPARE(name, expression)            \
  template <int N>                                 \
  QUIRE_CALL MaskN<N> name(VecN<N> a, VecN<N> b) { \
    MaskN<N> r;                                    \
    QUIRE_LANES(N) r.l[i] = expression;            \
    return r;                                      \
  }
QUIRE_COMPARE(less, a.l[i] < b.l[i])    // false for NaN
QUIRE_COMPARE(equal, a.l[i] == b.l[i])  // false for NaN
#undef QUIRE_COMPARE

template <int N>
QUIRE_CALL VecN<N> select(MaskN<N> m, VecN<N> yes, VecN<N> no) {
  VecN<N> r;
  QUIRE_LANES(N) r.l[i] = m.l[i] ? yes.l[i] : no.l[i];
  return r;
}
template <int N>
QUIRE_CALL bool any(MaskN<N> m) {
  bool r = false;
  QUIRE_LANES(N) r = r || m.l[i];
  return r;
}
template <int N>
QUIRE_CALL bool all(MaskN<N> m) {
  bool r = true;
  QUIRE_LANES(N) r = r && m.l[i];
  return r;
}
// Lanes [0, n) are set.
QUIRE_CALL Mask first_n(int n) {
  Mask r;
  QUIRE_LANES(kLanes) r.l[i] = i < n;
  return r;
}

// The tree of the contract: l[i] += l[i + 8], += 4, += 2, += 1.
QUIRE_CALL float reduce_add(Vec v) {
  for (int half = kLanes / 2; half > 0; half /= 2) QUIRE_LANES(half) v.l[i] += v.l[i + half];
  return v.l[0];
}
QUIRE_CALL float reduce_max(Vec v) {
  for (int half = kLanes / 2; half > 0; half /= 2)
    QUIRE_LANES(half) v.l[i] = v.l[i] > v.l[i + half] ? v.l[i] : v.l[i + half];
  return v.l[0];
}
// out[i] = reduce_add(v[i]) of kDots vectors.
QUIRE_CALL void reduce_add_dots(const Vec (&v)[kDots], float* out) {
  QUIRE_LANES(kDots) out[i] = reduce_add(v[i]);
}

QUIRE_CALL std::uint32_t reduce_max_bits(VecI v) {
  for (int i = 1; i < kLanes; ++i) v.l[0] = v.l[i] > v.l[0] ? v.l[i] : v.l[0];
  return v.l[0];
}
QUIRE_CALL std::int32_t reduce_add_bits(VecI v) {
  for (int i = 1; i < kLanes; ++i) v.l[0] += v.l[i];
  return static_cast<std::int32_t>(v.l[0]);
}
// The nearest integers, ties to even, of values within the range of an s32.
QUIRE_CALL VecI rounded(Vec v) {
  VecI r;
  QUIRE_LANES(kLanes) r.l[i] = static_cast<std::uint32_t>(__builtin_lrintf(v.l[i]));
  return r;
}
// The low byte of each lane.
QUIRE_CALL void store_bytes(std::int8_t* p, VecI v) {
  QUIRE_LANES(kLanes) p[i] = static_cast<std::int8_t>(v.l[i]);
}

QUIRE_INLINE float first_lane(Vec v) { return v.l[0]; }
#undef QUIRE_LANES
#undef QUIRE_CALL
