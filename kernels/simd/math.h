// exp, log and their relatives as polynomials over the vector vocabulary: the same bits everywhere.
// Included inside the row's namespace. Coefficients: minimax fits of the relative error, rounded to
// f32 one at a time. NaN propagates, subnormals are exact inputs and outputs.
// tests/kernels/math_test.cc sweeps the error of each (in units of the last place).
#pragma once

// V: Vec, or the one-lane vector of the scalar functions.
template <class V>
QUIRE_INLINE V negate(V x) {
  return float_of(bit_xor(bits_of(x), splat_bits<V>(0x80000000u)));
}
template <class V>
QUIRE_INLINE V magnitude(V x) {
  return float_of(bit_and(bits_of(x), splat_bits<V>(0x7fffffffu)));
}
template <class V>
QUIRE_INLINE V copy_sign(V x, V sign_of) {
  return float_of(bit_or(bits_of(x), bit_and(bits_of(sign_of), splat_bits<V>(0x80000000u))));
}

// Horner: c[0] is the highest coefficient.
template <class V, int N>
QUIRE_INLINE V polynomial(V x, const float (&c)[N]) {
  V r = splat<V>(c[0]);
  for (int i = 1; i < N; ++i) r = madd(r, x, splat<V>(c[i]));
  return r;
}

// p(x - n ln 2) with p = e^x on |x| <= ln(2) / 2; n is an integer.
template <class V>
QUIRE_INLINE V exp_of_rest(V x, V n) {
  constexpr float kP[] = {0x1.9df7f6p-13f, 0x1.6d4cdap-10f, 0x1.11131p-7f,
                          0x1.5554e8p-5f,  0x1.555554p-3f,  0.5f};
  V r = nmadd(n, splat<V>(0x1.62e4p-1f), x);
  r = nmadd(n, splat<V>(0x1.7f7d1cp-20f), r);
  return add(madd(polynomial(r, kP), mul(r, r), r), splat<V>(1.0f));
}
inline constexpr float kLog2E = 0x1.715476p0f;

// e^x. Exact at 0; +inf above 88.73, 0 below -103.98. x = n ln 2 + r, |r| <= ln(2) / 2; 2^n is
// applied as two factors so that subnormal results round once.
template <class V>
QUIRE_INLINE V exp_v(V x) {
  constexpr float kShift = 0x1.8p23f;  // adding it leaves the nearest integer in the low bits
  x = max(splat<V>(-105.0f), min(splat<V>(90.0f), x));
  const V shifted = madd(x, splat<V>(kLog2E), splat<V>(kShift));
  const V n = sub(shifted, splat<V>(kShift));
  const V p = exp_of_rest(x, n);
  // n + 512 is positive, so its halves come from a logical shift: n = (k >> 1) + (k - (k >> 1)).
  const auto k = add(sub(bits_of(shifted), splat_bits<V>(0x4b400000u)), splat_bits<V>(512));
  const auto half = shift_right<1>(k);
  const auto rest = sub(k, half);
  const auto bias = splat_bits<V>(127u - 256u);
  const V first = float_of(shift_left<23>(add(half, bias)));
  const V second = float_of(shift_left<23>(add(rest, bias)));
  return mul(mul(p, first), second);
}

// e^x for x up to 64, the same bits as exp_v down to kExpLeast; exactly 0 below it (e^x < 2^-124).
inline constexpr float kExpLeast = -86.0f;
template <class V>
QUIRE_INLINE V exp_weight(V x) {
  constexpr float kShift = 0x1.8p23f + 127.0f;  // leaves the exponent field of 2^n in the low bits
  const V least = splat<V>(kExpLeast);
  const V shifted = madd(max(x, least), splat<V>(kLog2E), splat<V>(kShift));
  const V p = exp_of_rest(x, sub(shifted, splat<V>(kShift)));
  const V scaled = mul(p, float_of(shift_left<23>(bits_of(shifted))));
  return select(less(x, least), splat<V>(0.0f), scaled);
}

// ln(1 + f) - f for f in [1 / sqrt(2) - 1, sqrt(2) - 1].
template <class V>
QUIRE_INLINE V log1p_tail(V f) {
  constexpr float kP[] = {0x1.147f94p-4f,  -0x1.de26cp-4f,  0x1.e6cdb6p-4f,
                          -0x1.fc249ap-4f, 0x1.233aaap-3f,  -0x1.555c52p-3f,
                          0x1.99a47ep-3f,  -0x1.000006p-2f, 0x1.555548p-2f};
  const V square = mul(f, f);
  return madd(mul(polynomial(f, kP), f), square, mul(square, splat<V>(-0.5f)));
}
inline constexpr float kLn2High = 0x1.62e4p-1f;  // 15 bits: exact times an exponent
inline constexpr float kLn2Low = 0x1.7f7d1cp-20f;

// ln x. log(0) = -inf, NaN below 0, exact at 1.
template <class V>
QUIRE_INLINE V log_v(V x) {
  const V smallest = splat<V>(0x1p-126f);
  const auto subnormal = less(x, smallest);
  const V scaled = select(subnormal, mul(x, splat<V>(0x1p23f)), x);
  // Subtracting the bits of 1/sqrt(2) leaves the exponent of x over [1/sqrt(2), sqrt(2)).
  const auto offset = sub(bits_of(scaled), splat_bits<V>(0x3f3504f3u));
  const auto biased = shift_right<23>(add(offset, splat_bits<V>(128u << 23)));
  const auto mantissa =
      add(bit_and(offset, splat_bits<V>(0x007fffffu)), splat_bits<V>(0x3f3504f3u));
  // biased (0..255) as a float: the low bits of 2^23.
  V e = sub(float_of(bit_or(biased, splat_bits<V>(0x4b000000u))), splat<V>(0x1p23f + 128.0f));
  e = sub(e, select(subnormal, splat<V>(23.0f), splat<V>(0.0f)));
  const V f = sub(float_of(mantissa), splat<V>(1.0f));
  const V low = madd(e, splat<V>(kLn2Low), log1p_tail(f));
  V r = madd(e, splat<V>(kLn2High), add(f, low));
  const V infinity = splat<V>(__builtin_inff());
  r = select(less(x, infinity), r, x);  // +inf and NaN stay
  r = select(equal(x, splat<V>(0.0f)), negate(infinity), r);
  return select(less(x, splat<V>(0.0f)), splat<V>(__builtin_nanf("")), r);
}

// 1 / (1 + e^-x) without overflow: e^-|x| is at most 1.
template <class V>
QUIRE_INLINE V sigmoid_v(V x) {
  const V one = splat<V>(1.0f);
  const V z = exp_v(negate(magnitude(x)));
  return div(select(less(x, splat<V>(0.0f)), z, one), add(one, z));
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|).
template <class V>
QUIRE_INLINE V softplus_v(V x) {
  const V one = splat<V>(1.0f);
  const V z = exp_v(negate(magnitude(x)));
  // 1 + z beyond sqrt(2) is taken as 2 (1 + f), which keeps f in the range of the polynomial.
  const auto large = less(splat<V>(0x1.a8279ap-2f), z);
  const V f = select(large, mul(sub(z, one), splat<V>(0.5f)), z);
  const V e = select(large, one, splat<V>(0.0f));
  const V low = madd(e, splat<V>(kLn2Low), log1p_tail(f));
  const V log1p = madd(e, splat<V>(kLn2High), add(f, low));
  return add(max(splat<V>(0.0f), x), log1p);
}

// Odd polynomial below 0.625, 1 - 2 / (e^2|x| + 1) above.
template <class V>
QUIRE_INLINE V tanh_v(V x) {
  constexpr float kP[] = {0x1.1a2e3ep-9f,  -0x1.0c602p-7f, 0x1.63a57ep-6f,
                          -0x1.b9f18ap-5f, 0x1.11107ap-3f, -0x1.555554p-2f};
  const V one = splat<V>(1.0f);
  const V size = magnitude(x);
  const V square = mul(x, x);
  const V near = madd(mul(polynomial(square, kP), square), x, x);
  const V far = sub(one, div(splat<V>(2.0f), add(exp_v(add(size, size)), one)));
  return select(less(size, splat<V>(0.625f)), near, copy_sign(far, x));
}

// Odd polynomial below 1, 1 - e^P(|x|) above, P approximating ln erfc.
template <class V>
QUIRE_INLINE V erf_v(V x) {
  constexpr float kNear[] = {0x1.4771fcp-14f, -0x1.a3515ep-11f, 0x1.53f224p-8f, -0x1.b7f71ap-6f,
                             0x1.ce2ce6p-4f,  -0x1.81273ep-2f,  0x1.06eba8p-3f};
  constexpr float kFar[] = {-0x1.5d5be2p-16f, 0x1.c44c0cp-12f, -0x1.105f2ep-8f, 0x1.9aea1ep-6f,
                            -0x1.bb44dap-4f,  -0x1.444d26p-1f, -0x1.212626p0f,  0x1.62d95p-13f};
  const V one = splat<V>(1.0f);
  const V size = magnitude(x);
  const V near = madd(polynomial(mul(x, x), kNear), x, x);
  const V clamped = min(splat<V>(4.0f), size);
  const V far = sub(one, exp_v(polynomial(clamped, kFar)));
  return select(less(size, one), near, copy_sign(far, x));
}

template <class V>
QUIRE_INLINE V silu_v(V x) {
  return mul(x, sigmoid_v(x));
}
// 0.5 x (1 + tanh u) = x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class V>
QUIRE_INLINE V gelu_tanh_v(V x) {
  const V inner = madd(mul(mul(x, x), splat<V>(0.044715f)), x, x);
  return mul(x, sigmoid_v(mul(inner, splat<V>(0x1.988454p0f))));  // 2 sqrt(2 / pi)
}
template <class V>
QUIRE_INLINE V gelu_erf_v(V x) {
  const V half = mul(x, splat<V>(0.5f));
  return madd(half, erf_v(mul(x, splat<V>(0x1.6a09e6p-1f))), half);
}
// max() returns one of its operands as it is; the sum flushes a denormal and the sign of zero.
template <class V>
QUIRE_INLINE V relu_v(V x) {
  const V none = splat<V>(0.0f);
  return add(max(none, x), none);
}
template <class V>
QUIRE_INLINE V relu2_v(V x) {
  const V r = relu_v(x);
  return mul(r, r);
}
