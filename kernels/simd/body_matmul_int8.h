// Sums of products of int8 activations and quantized weights: exact integers within a group.
// Included inside the row's namespace, after body_matmul_tile.h and the row's tiles.
#pragma once

template <class Codes>
struct Int8Form : CodeTiles<Codes> {
  // What the integer dot product of a group starts at, over the sum of x's codes: the contract
  // takes 128 off the codes of kInt8, which the instructions see as they are stored.
  static constexpr int kOffset = Codes::kHasBias ? 0 : -128;

  // Where a row of x keeps the numbers of its groups.
  struct Numbers {
    const std::byte* scale;  // f32 [groups], f32 scaled_sum [groups], s32 sum [groups]
    std::int64_t groups;

    QUIRE_INLINE float scale_at(std::int64_t g) const { return word<float>(g); }
    QUIRE_INLINE float scaled_sum(std::int64_t g) const { return word<float>(groups + g); }
    QUIRE_INLINE std::int32_t sum(std::int64_t g) const {
      return word<std::int32_t>(2 * groups + g);
    }
    template <class T>
    QUIRE_INLINE T word(std::int64_t i) const {
      return reinterpret_cast<const T*>(scale)[i];
    }
  };

  template <int R, int P>
  static QUIRE_INLINE void add_group(const TileInput<R, P>& in, const Groups& groups,
                                     std::int64_t g, const VecI (&dot)[R][P], Vec (&acc)[R][P]) {
    Vec scale[P], bias[P];
    for (int p = 0; Codes::kHasBias && p < P; ++p) {
      const std::byte* at = in.w[p] + groups.scales_at(g);
      scale[p] = load_scales(at, groups.scale_dtype);
      bias[p] = load_scales(at + groups.scale_bytes, groups.scale_dtype);
    }
    for (int r = 0; r < R; ++r) {
      const Numbers x{in.x[r] + int8_codes_bytes(groups.cols), groups.count};
      const Vec x_scale = splat<Vec>(x.scale_at(g));
      if constexpr (Codes::kHasBias) {
        const Vec x_sum = splat<Vec>(x.scaled_sum(g));
        for (int p = 0; p < P; ++p) {
          const Vec sum = madd(to_float(dot[r][p]), mul(scale[p], x_scale), acc[r][p]);
          acc[r][p] = madd(bias[p], x_sum, sum);
        }
      } else {
        for (int p = 0; p < P; ++p) acc[r][p] = madd(to_float(dot[r][p]), x_scale, acc[r][p]);
      }
    }
  }

  template <int R, int P, bool kAhead>
  static QUIRE_INLINE void sums(const TileInput<R, P>& in, Vec (&acc)[R][P]) {
    clear(acc);
    const Groups groups(*in.m->w, Codes::kHasBias);
    for (std::int64_t g = 0; g < groups.count; ++g) {
      const std::int64_t begin = g * groups.length;
      VecI dot[R][P];
      for (int r = 0; r < R; ++r) {
        const Numbers x{in.x[r] + int8_codes_bytes(groups.cols), groups.count};
        const int start = kOffset == 0 ? 0 : kOffset * x.sum(g);
        for (int p = 0; p < P; ++p) dot[r][p] = splat_bits<Vec>(static_cast<std::uint32_t>(start));
      }
      add_dots<Codes, kAhead>(
          in, {g * groups.block_bytes, begin, Codes::words(groups.end(g) - begin)}, dot);
      if constexpr (Codes::kHasBias) call_ahead<kAhead>(in, groups.scales_at(g));
      // As many lines as keep pace: one for twenty cycles or so.
      if constexpr (!kAhead && R > CodeTiles<Codes>::kFewRows)
        in.reads->call(groups.length * R * P / 64);
      add_group(in, groups, g, dot, acc);
    }
    for (int p = 0; !Codes::kHasBias && p < P; ++p) {
      const Vec scale = load_scales(in.w[p] + groups.code_bytes, DType::kF32);
      for (int r = 0; r < R; ++r) acc[r][p] = mul(acc[r][p], scale);
    }
  }
};
