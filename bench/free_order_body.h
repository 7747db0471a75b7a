// Kernels without the promise of equal bytes, to measure what the promise costs: the order of a sum
// depends on how many rows there are and how long the context is.
// Included inside a namespace and target region, after the row's products and formats (see
// kernels/simd/row_avx512.cc).
//
// One row is summed in kChains chains instead of the one that a tile of many rows has registers
// for, and softmax runs over the whole context (up to 4,096 tokens at once) instead of 256.
#pragma once

inline constexpr int kChains = 4;

template <int P>
QUIRE_INLINE void join(const Vec (&chain)[kChains][1][P], Vec (&acc)[1][P]) {
  for (int p = 0; p < P; ++p)
    acc[0][p] = add(add(chain[0][0][p], chain[1][0][p]), add(chain[2][0][p], chain[3][0][p]));
}

// With one row, every kChains-th step (a pair, or a group) is in the same chain.
struct FreeBf16 : Bf16Form {
  template <int R, int P, bool kAhead>
  static QUIRE_INLINE void sums(const TileInput<R, P>& in, Vec (&acc)[R][P]) {
    if constexpr (R == 1) {
      Vec chain[kChains][1][P];
      for (auto& c : chain) clear(c);
      const std::int64_t bytes = (in.cols() + 1) / 2 * 4;
      std::int64_t at = 0;
      for (; at + 4 * kChains <= bytes; at += 4 * kChains)
        for (int c = 0; c < kChains; ++c) add_pairs(in, at + 4 * c, chain[c]);
      for (; at < bytes; at += 4) add_pairs(in, at, chain[0]);
      join(chain, acc);
    } else {
      Bf16Form::template sums<R, P, kAhead>(in, acc);
    }
  }
};

template <class Codes>
struct FreeInt8 : Int8Form<Codes> {
  using Base = Int8Form<Codes>;
  template <int R, int P, bool kAhead>
  static QUIRE_INLINE void sums(const TileInput<R, P>& in, Vec (&acc)[R][P]) {
    if constexpr (R == 1) {
      Vec chain[kChains][1][P];
      for (auto& c : chain) clear(c);
      const Groups groups(*in.m->w, Codes::kHasBias);
      for (std::int64_t g = 0; g < groups.count; ++g)
        add<kAhead>(in, groups, g, chain[g % kChains]);
      join(chain, acc);
      for (int p = 0; !Codes::kHasBias && p < P; ++p)
        acc[0][p] = mul(acc[0][p], load_scales(in.w[p] + groups.code_bytes, DType::kF32));
    } else {
      Base::template sums<R, P, kAhead>(in, acc);
    }
  }

 private:
  template <bool kAhead, int P>
  static QUIRE_INLINE void add(const TileInput<1, P>& in, const Groups& groups, std::int64_t g,
                               Vec (&acc)[1][P]) {
    const std::int64_t begin = g * groups.length;
    const typename Base::Numbers x{in.x[0] + int8_codes_bytes(groups.cols), groups.count};
    const int start = Base::kOffset == 0 ? 0 : Base::kOffset * x.sum(g);
    VecI dot[1][P];
    for (int p = 0; p < P; ++p) dot[0][p] = splat_bits<Vec>(static_cast<std::uint32_t>(start));
    add_dots<Codes, kAhead>(
        in, {g * groups.block_bytes, begin, Codes::words(groups.end(g) - begin)}, dot);
    if constexpr (Codes::kHasBias) call_ahead<kAhead>(in, groups.scales_at(g));
    Base::add_group(in, groups, g, dot, acc);
  }
};

void free_matmul(const Matmul& m) {
  if (m.rows > 1 || m.x.form.kind == ActivationForm::Kind::kF32) return matmul(m);
  switch (m.w->format.kind) {
    case PackedFormat::Kind::kBf16:
      return product<FreeBf16>(m);
    case PackedFormat::Kind::kInt8:
      return product<FreeInt8<Int8Codes>>(m);
    case PackedFormat::Kind::kAffine4:
      return product<FreeInt8<Affine4Codes>>(m);
    case PackedFormat::Kind::kAffine8:
      return product<FreeInt8<Affine8Codes>>(m);
    default:
      return matmul(m);
  }
}

// The bodies of attention once more, with a longer segment: these names hide those of the product.
namespace whole {

struct Attention : kernels::Attention {
  static constexpr std::int64_t kSegment = 4096;
};
inline constexpr int kSegmentBlocks = Attention::kSegment / KvLayout::kBlock;

struct AttentionScratch : kernels::AttentionScratch {
  using kernels::AttentionScratch::AttentionScratch;
  std::int64_t scores() const { return std::int64_t{kQuerySlots} * Attention::kSegment; }
  std::int64_t values() const { return value_pad * Attention::kSegment; }
  std::int64_t floats() const { return queries() + row() + scores() + totals() + values(); }
};

// clang-format off
#include "kernels/simd/body_attention_tiles.h"
#include "kernels/simd/body_attention_values.h"
#include "kernels/simd/body_attention_weights.h"
#include "kernels/simd/body_attention.h"
// clang-format on

// `scratch` holds scratch_floats().
void run(const kernels::Attention& task, float* scratch) {
  Attention own;
  static_cast<kernels::Attention&>(own) = task;
  own.scratch = scratch;
  attention(own);
}
std::int64_t scratch_floats(const KvLayout& layout) { return AttentionScratch(layout).floats(); }

}  // namespace whole
