// What the tiles of a product share: their streams, and how quantized panels are cut into groups.
// Included inside the row's namespace, after the vector vocabulary.
#pragma once

// What a tile reads: R rows of x and P panels of w.
template <int R, int P>
struct TileInput {
  const Matmul* m;
  const std::byte* x[R];
  const std::byte* w[P];
  std::int64_t ahead;  // bytes from a byte of w to the one to call for meanwhile

  std::int64_t cols() const { return m->w->cols; }
};

// What a tile calls to the second-level cache while it computes: nothing; its own panels, a little
// ahead of what it reads; or the panels behind its own, which takes a pass of arithmetic.
enum class Fetch { kNothing, kStream, kPanels };

template <bool kAhead, int R, int P>
QUIRE_INLINE void call_ahead(const TileInput<R, P>& in, std::int64_t offset) {
  if constexpr (kAhead) {
    for (int p = 0; p < P; ++p) __builtin_prefetch(in.w[p] + in.ahead + offset, 0, 2);
  }
}

template <int R, int P>
QUIRE_INLINE void clear(Vec (&acc)[R][P]) {
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) acc[r][p] = zero();
}

struct Int8Codes {
  static constexpr bool kNibbles = false, kHasBias = false;
  static constexpr std::uint32_t kMask = 255;
  // Words of 64 bytes that hold `length` elements of a group.
  static std::int64_t words(std::int64_t length) { return (length + 3) / 4; }
};
struct Affine8Codes {
  static constexpr bool kNibbles = false, kHasBias = true;
  static constexpr std::uint32_t kMask = 255;
  static std::int64_t words(std::int64_t length) { return length / 4; }
};
struct Affine4Codes {
  static constexpr bool kNibbles = true, kHasBias = true;
  static constexpr std::uint32_t kMask = 15;
  static std::int64_t words(std::int64_t length) { return length / 8; }
};

// How the columns of a quantized matrix are cut into groups, and where a panel keeps them.
struct Groups {
  std::int64_t cols, length, count;
  std::int64_t block_bytes;  // from a group's codes to the next one's
  std::int64_t code_bytes;   // from the codes of a group to its scales (kInt8: of the panel)
  std::int64_t scale_bytes;  // of 16 scales
  DType scale_dtype;
  bool has_bias;

  Groups(const PackedMatrix& w, bool bias)
      : cols(w.cols),
        length(w.format.group),
        count((w.cols + length - 1) / length),
        block_bytes(bias ? affine_block_bytes(w.format) : length * kLanes),
        code_bytes(bias ? affine_code_bytes(w.format) : round_up(w.cols, 4) * kLanes),
        scale_bytes(kLanes * dtype_bytes(w.format.scale_dtype)),
        scale_dtype(w.format.scale_dtype),
        has_bias(bias) {}
  std::int64_t end(std::int64_t g) const {
    return (g + 1) * length < cols ? (g + 1) * length : cols;
  }
  // Of group g, from the panel's begin.
  std::int64_t scales_at(std::int64_t g) const {
    return (has_bias ? g * block_bytes : 0) + code_bytes;
  }
};

// A run of codes of one group: from these bytes of a panel and elements of a row of x on.
struct CodeRun {
  std::int64_t w, x;
  std::int64_t words;  // of 64 bytes
};

// The scales of the 16 lanes of a block.
QUIRE_INLINE Vec load_scales(const std::byte* p, DType dtype) {
  if (dtype == DType::kBf16) return load(reinterpret_cast<const Bf16*>(p));
  if (dtype == DType::kF16) return load(reinterpret_cast<const F16*>(p));
  return load(reinterpret_cast<const float*>(p));
}
