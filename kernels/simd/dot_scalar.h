// Dot products of cached keys and values in plain C++: what each storage format computes.
// Included inside the row's namespace, after vec_scalar.h. dot_avx2.h and dot_avx512.h define the
// same names with the same results while FlushDenormals is alive.
//
// A format F says how sixteen words of a page meet one operand (a query, or softmax weights) of
// `kPacked` numbers. The operand lies in scratch in kOperandWords words of the row's own choice.
//   put(to, x)           rounds 16 numbers to operands, returns what they became
//   load_keys, load_values   a Panel: the 16 words at a pointer
//   dot(acc, panel, op)  adds the products, lane by lane:
//     f32  acc = fma(a, b, acc)
//     bf16 acc = fma(a[0], b[0], fma(a[1], b[1], acc))
//     i8   acc += a[0] b[0] + a[1] b[1] + a[2] b[2] + a[3] b[3], exact
#pragma once

struct KvF32 {
  static constexpr int kPacked = 1, kOperandWords = 1;
  static constexpr bool kScaled = false;
  static constexpr int kQueries = 1;  // the widest tile of queries
  static constexpr int wide(int) { return 1; }
  using Acc = Vec;
  using Panel = Vec;
  using Operand = float;

  static Vec put(float* to, Vec x) {
    store(to, x);
    return x;
  }
  static Panel load_keys(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static Panel load_values(const std::byte* p) { return load_keys(p); }
  static Operand operand(const float* p) { return *p; }
  static Acc start(float) { return zero(); }
  static Acc dot_keys(Acc acc, const Panel& p, Operand x) { return madd(splat<Vec>(x), p, acc); }
  static Acc dot_values(Acc acc, const Panel& p, Operand x) { return dot_keys(acc, p, x); }
  static Vec sums(Acc acc) { return acc; }
};

struct KvBf16 {
  static constexpr int kPacked = 2, kOperandWords = 2;
  static constexpr bool kScaled = false;
  static constexpr int kQueries = 1;
  static constexpr int wide(int) { return 1; }
  using Acc = Vec;
  struct Panel {
    Vec even, odd;
  };
  struct Operand {
    float even, odd;
  };

  // Rounded to nearest even; denormals become zero first, as bf16 instructions read them.
  static Vec put(float* to, Vec x) {
    for (int i = 0; i < kLanes; ++i) x.l[i] = bf16_to_f32(f32_to_bf16(x.l[i] + 0.0f));
    store(to, x);
    return x;
  }
  static Panel load_keys(const std::byte* p) {
    Panel panel;
    for (int i = 0; i < kLanes; ++i) {
      std::uint16_t pair[2];
      std::memcpy(pair, p + 4 * i, 4);
      panel.even.l[i] = bf16_to_f32(pair[0]);
      panel.odd.l[i] = bf16_to_f32(pair[1]);
    }
    return panel;
  }
  static Panel load_values(const std::byte* p) { return load_keys(p); }
  static Operand operand(const float* p) { return {p[0], p[1]}; }
  static Acc start(float) { return zero(); }
  static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    acc = madd(splat<Vec>(x.odd), p.odd, acc);
    return madd(splat<Vec>(x.even), p.even, acc);
  }
  static Acc dot_values(Acc acc, const Panel& p, Operand x) { return dot_keys(acc, p, x); }
  static Vec sums(Acc acc) { return acc; }
};

struct KvI8 {
  static constexpr int kPacked = 4, kOperandWords = 1;
  static constexpr bool kScaled = true;
  static constexpr int kQueries = 1;
  static constexpr int wide(int) { return 1; }
  struct Acc {
    std::int32_t l[kLanes];
  };
  struct Panel {
    std::int16_t l[kLanes][4];
  };
  struct Operand {
    std::uint8_t code[4];
  };

  // Integers in [-127, 127] (queries) or [0, 255] (weights), rounded to nearest even.
  static Vec put(float* to, Vec x) {
    std::uint8_t code[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      x.l[i] = (x.l[i] + 0x1.8p23f) - 0x1.8p23f;
      code[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(x.l[i] == x.l[i] ? x.l[i] : 0));
    }
    std::memcpy(to, code, sizeof(code));
    return x;
  }
  // Keys are code + 128.
  static Panel load_keys(const std::byte* p) {
    Panel panel;
    for (int i = 0; i < 4 * kLanes; ++i)
      panel.l[i / 4][i % 4] = std::to_integer<std::uint8_t>(p[i]);
    return panel;
  }
  static Panel load_values(const std::byte* p) {
    Panel panel;
    for (int i = 0; i < 4 * kLanes; ++i)
      panel.l[i / 4][i % 4] = static_cast<std::int8_t>(std::to_integer<std::uint8_t>(p[i]));
    return panel;
  }
  static Operand operand(const float* p) {
    Operand x;
    std::memcpy(x.code, p, 4);
    return x;
  }
  // The integer that takes the 128 of the keys back.
  static Acc start(float offset) {
    Acc acc;
    for (std::int32_t& lane : acc.l) lane = static_cast<std::int32_t>(offset);
    return acc;
  }
  static Acc dot_keys(Acc acc, const Panel& p, Operand x) {
    for (int i = 0; i < kLanes; ++i)
      for (int j = 0; j < 4; ++j) acc.l[i] += p.l[i][j] * static_cast<std::int8_t>(x.code[j]);
    return acc;
  }
  static Acc dot_values(Acc acc, const Panel& p, Operand x) {
    for (int i = 0; i < kLanes; ++i)
      for (int j = 0; j < 4; ++j) acc.l[i] += p.l[i][j] * x.code[j];
    return acc;
  }
  static Vec sums(Acc acc) {
    Vec r;
    for (int i = 0; i < kLanes; ++i) r.l[i] = static_cast<float>(acc.l[i]);
    return r;
  }
};
