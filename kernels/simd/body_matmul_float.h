// Sums of products in f32: the f32 form of every weight format, and the bf16 form.
// Included inside the row's namespace, after body_matmul_tile.h.
#pragma once

// acc += x[k] * w in every lane.
template <int R, int P>
QUIRE_INLINE void add_products(const TileInput<R, P>& in, std::int64_t k, const Vec (&w)[P],
                               Vec (&acc)[R][P]) {
  for (int r = 0; r < R; ++r) {
    const Vec x = splat<Vec>(reinterpret_cast<const float*>(in.x[r])[k]);
    for (int p = 0; p < P; ++p) acc[r][p] = madd(x, w[p], acc[r][p]);
  }
}

// Sums of f32 products with stored floats.
template <class W>
struct F32Form : FloatTiles<sizeof(W)> {
  static constexpr bool kPairs = sizeof(W) == 2 && __is_same(W, Bf16);

  template <int D, int R, int P>
  static QUIRE_INLINE void step(const TileInput<R, P>& in, std::int64_t k, Vec (&acc)[R][P]) {
    Vec w[P];
    for (int p = 0; p < P; ++p) {
      const W* at = reinterpret_cast<const W*>(in.w[p]) + k * kLanes;
      if constexpr (kPairs) {
        w[p] = load_of_pair<D>(at);
      } else {
        w[p] = load(at);
      }
    }
    add_products(in, k + D, w, acc);
  }

  template <int R, int P, bool kAhead>
  static QUIRE_INLINE void sums(const TileInput<R, P>& in, Vec (&acc)[R][P]) {
    clear(acc);
    const std::int64_t cols = in.cols();
    std::int64_t k = 0;
    for (; k + 2 <= cols; k += 2) {
      call_ahead<kAhead>(in, k * kLanes * static_cast<std::int64_t>(sizeof(W)));
      if constexpr (sizeof(W) == 4) call_ahead<kAhead>(in, (k + 1) * kLanes * 4);
      step<0>(in, k, acc);
      if constexpr (kPairs) {
        step<1>(in, k, acc);
      } else {
        step<0>(in, k + 1, acc);
      }
    }
    if (k < cols) step<0>(in, k, acc);
  }
};

// Sums of bf16 products, a pair of neighbours along k at a time.
struct Bf16Form : Bf16Tiles {
  template <int R, int P, bool kAhead>
  static QUIRE_INLINE void sums(const TileInput<R, P>& in, Vec (&acc)[R][P]) {
    clear(acc);
    const std::int64_t bytes = (in.cols() + 1) / 2 * 4;  // of a row of x
    for (std::int64_t at = 0; at < bytes; at += 4) {
      call_ahead<kAhead>(in, at * kLanes);
      add_pairs(in, at, acc);
    }
  }
};

// Scales and biases of the lanes of P panels in one group.
template <int P>
struct GroupScales {
  Vec scale[P], bias[P];
};

// Sums of f32 products with quantized weights, each widened first.
template <class Codes>
struct CodedForm : FloatTiles<1> {
  // acc += x[k] times the codes at bits [kShift, ...) of the words at byte `at` of the panels.
  template <int kShift, int R, int P>
  static QUIRE_INLINE void step(const TileInput<R, P>& in, std::int64_t at, std::int64_t k,
                                const GroupScales<P>& group, Vec (&acc)[R][P]) {
    Vec w[P];
    for (int p = 0; p < P; ++p) {
      const VecI code =
          bit_and(shift_right<kShift>(load_words(in.w[p] + at)), splat_bits<Vec>(Codes::kMask));
      if constexpr (Codes::kHasBias) {
        w[p] = madd(to_float(code), group.scale[p], group.bias[p]);
      } else {
        w[p] = mul(to_float(sub(code, splat_bits<Vec>(128))), group.scale[p]);
      }
    }
    add_products(in, k, w, acc);
  }

  // The four codes of each lane from kShift on; there may be fewer columns.
  template <int kShift, int R, int P>
  static QUIRE_INLINE void quad(const TileInput<R, P>& in, std::int64_t at, std::int64_t k,
                                const GroupScales<P>& group, Vec (&acc)[R][P]) {
    step<kShift>(in, at, k, group, acc);
    if (k + 1 < in.cols()) step<kShift + 8>(in, at, k + 1, group, acc);
    if (k + 2 < in.cols()) step<kShift + 16>(in, at, k + 2, group, acc);
    if (k + 3 < in.cols()) step<kShift + 24>(in, at, k + 3, group, acc);
  }

  template <int R, int P, bool kAhead>
  static QUIRE_INLINE void sums(const TileInput<R, P>& in, Vec (&acc)[R][P]) {
    clear(acc);
    const Groups groups(*in.m->w, Codes::kHasBias);
    for (std::int64_t g = 0; g < groups.count; ++g) {
      GroupScales<P> group;
      load_group(in, groups, g, group);
      const std::int64_t at = g * groups.block_bytes, begin = g * groups.length;
      const std::int64_t words = Codes::words(groups.end(g) - begin);
      for (std::int64_t j = 0; j < words; ++j) {
        call_ahead<kAhead>(in, at + j * 64);
        quad<0>(in, at + j * 64, begin + 4 * j, group, acc);
      }
      if constexpr (Codes::kNibbles) {
        for (std::int64_t j = 0; j < words; ++j)
          quad<4>(in, at + j * 64, begin + 4 * (words + j), group, acc);
      }
    }
  }

 private:
  template <int R, int P>
  static QUIRE_INLINE void load_group(const TileInput<R, P>& in, const Groups& groups,
                                      std::int64_t g, GroupScales<P>& group) {
    for (int p = 0; p < P; ++p) {
      const std::byte* at = in.w[p] + groups.scales_at(g);
      group.scale[p] = load_scales(at, groups.scale_dtype);
      group.bias[p] =
          Codes::kHasBias ? load_scales(at + groups.scale_bytes, groups.scale_dtype) : zero();
    }
  }
};
