// Writing keys and values into pages: rounding, quantisation and the scatter into blocks.
// Included inside the row's namespace, after the vector vocabulary.
//
// Only the bytes of the token itself are written: the tokens that share a word of values with it
// may be written by another thread at the same time.
#pragma once

// The i8 code of x is round(x * inverse), the number code * scale. scale = max|x| / 127; 0 when the
// maximum is below 2^-100, NaN (and inverse 0) when any x is not finite.
struct CodeScale {
  float scale = 0, inverse = 0;
};

QUIRE_INLINE CodeScale code_scale(const float* x, std::int64_t count) {
  Vec peak = zero();
  bool ordered = true;
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const int n = count - i < kLanes ? static_cast<int>(count - i) : kLanes;
    const Vec v = load_n(x + i, n);
    ordered = ordered && all(equal(v, v));
    peak = max(magnitude(v), peak);
  }
  const float most = reduce_max(peak);
  if (!ordered || most > 0x1.fffffep127f) return {__builtin_nanf(""), 0};
  if (most < 0x1p-100f) return {};
  return {most / 127.0f, 127.0f / most};
}

// Numbers as their stored bits, one element in each 32-bit word.
QUIRE_INLINE void stored_words(Vec x, float, std::uint32_t* words) {
  std::memcpy(words, &x, kLanes * sizeof(float));
}
QUIRE_INLINE void stored_words(Vec x, Bf16, std::uint32_t* words) {
  Bf16 rounded[kLanes];
  store(rounded, x);
  for (int i = 0; i < kLanes; ++i) words[i] = rounded[i].bits;
}
// x is already divided by the scale: the low byte of x + 1.5 * 2^23 is its code.
QUIRE_INLINE void stored_words(Vec x, std::int8_t, std::uint32_t* words) {
  float shifted[kLanes];
  store(shifted, add(x, splat<Vec>(0x1.8p23f)));
  std::memcpy(words, shifted, sizeof(shifted));
}

template <class E>
struct TokenWriter {
  static constexpr int kPacked = static_cast<int>(4 / sizeof(E));
  static constexpr bool kScaled = sizeof(E) == 1;
  const KvLayout& layout;
  std::byte* page;
  std::int64_t slot;

  // Sixteen elements from `at` on, as stored; NaN scales leave codes of 0.
  QUIRE_INLINE static void chunk(const float* x, std::int64_t count, std::int64_t at, float inverse,
                                 std::uint32_t* words) {
    const int n = count - at < kLanes ? static_cast<int>(count - at) : kLanes;
    Vec v = load_n(x + at, n);
    if (kScaled) v = inverse == 0 ? zero() : mul(v, splat<Vec>(inverse));
    stored_words(v, E{}, words);
  }

  QUIRE_INLINE void key(int head, const float* x) const {
    CodeScale s;
    if (kScaled) s = code_scale(x, layout.key_dim);
    std::byte* to = page + layout.key_offset(head, slot, 0);
    const std::int64_t words = layout.key_words();
    constexpr std::int64_t kChunkWords = kLanes / kPacked;
    for (std::int64_t w = 0; w < words; w += kChunkWords) {
      std::uint32_t e[kLanes];
      chunk(x, layout.key_dim, w * kPacked, s.inverse, e);
      for (std::int64_t i = 0; i < kChunkWords && w + i < words; ++i) {
        std::uint32_t word = e[i];
        if (kPacked == 2) word = e[2 * i] | e[2 * i + 1] << 16;
        if (kPacked == 4) {
          word = (e[4 * i] & 0xff) | (e[4 * i + 1] & 0xff) << 8 | (e[4 * i + 2] & 0xff) << 16 |
                 e[4 * i + 3] << 24;
          word ^= 0x80808080u;  // code + 128
        }
        std::memcpy(to + (w + i) * 64, &word, 4);
      }
    }
    if (kScaled) std::memcpy(page + layout.key_scale_offset(head, slot), &s.scale, 4);
  }

  QUIRE_INLINE void value(int head, const float* x) const {
    CodeScale s;
    if (kScaled) s = code_scale(x, layout.value_dim);
    std::byte* to = page + layout.value_offset(head, slot, 0);
    for (std::int64_t at = 0; at < layout.value_dim; at += kLanes) {
      std::uint32_t e[kLanes];
      chunk(x, layout.value_dim, at, s.inverse, e);
      for (std::int64_t i = 0; i < kLanes && at + i < layout.value_dim; ++i)
        std::memcpy(to + (at + i) * 4, &e[i], sizeof(E));
    }
    if (kScaled) std::memcpy(page + layout.value_scale_offset(head, slot), &s.scale, 4);
  }
};

template <class E>
void kv_write_of(const KvWrite& w) {
  const KvLayout& layout = w.kv.layout;
  for (std::int64_t r = 0; r < w.rows; ++r) {
    const std::int64_t position = w.position + r;
    const TokenWriter<E> writer{layout, w.kv.page(position), position % layout.page_tokens};
    for (int h = 0; h < layout.kv_heads; ++h) {
      writer.key(h, w.k + r * w.k_stride + std::int64_t{h} * layout.key_dim);
      if (layout.value_dim == 0) continue;
      writer.value(h, w.v + r * w.v_stride + std::int64_t{h} * layout.value_dim);
    }
  }
}

void kv_write(const KvWrite& w) {
  switch (w.kv.layout.dtype) {
    case DType::kF32:
      return kv_write_of<float>(w);
    case DType::kBf16:
      return kv_write_of<Bf16>(w);
    case DType::kI8:
      return kv_write_of<std::int8_t>(w);
    default:
      CHECK(false, "keys and values stored as {}", dtype_name(w.kv.layout.dtype));
  }
}
