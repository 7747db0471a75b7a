// The blocks of keys and values of one segment: where they lie, and values that have to be copied.
// Included inside the row's namespace, after body_attention_tiles.h.
#pragma once

QUIRE_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
QUIRE_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// Tokens of a segment, the end not included.
struct Span {
  std::int64_t begin = 0, end = 0;
};

// Blocks that are called for while others are computed.
inline constexpr int kBlocksAhead = 8;

// Blocks [begin, end) of a segment, and what follows them in the order of reading: the values of
// the segment after its keys, the keys of the next segment after its values.
struct SegmentBlocks {
  int begin = 0, end = 0;
  const std::byte* keys[kSegmentBlocks + kBlocksAhead];
  const std::byte* values[kSegmentBlocks + kBlocksAhead];
  const float* key_scales[kSegmentBlocks];
  const float* value_scales[kSegmentBlocks];
};

// A walk over the blocks of a sequence's kv head, page by page.
class BlockWalk {
 public:
  QUIRE_INLINE BlockWalk(const PagedKv& kv, int head, std::int64_t position)
      : layout_(kv.layout),
        kv_(kv),
        head_(head),
        page_(position / layout_.page_tokens),
        slot_(position % layout_.page_tokens) {
    step_to_page();
  }
  QUIRE_INLINE const std::byte* keys() const {
    return base_ + slot_ / KvLayout::kBlock * layout_.key_block_bytes();
  }
  QUIRE_INLINE const std::byte* values() const {
    return base_ + values_ + slot_ / KvLayout::kBlock * layout_.value_block_bytes();
  }
  QUIRE_INLINE const float* key_scales() const {
    return reinterpret_cast<const float*>(base_ + scales_) + slot_;
  }
  QUIRE_INLINE const float* value_scales() const {
    return layout_.value_dim == 0 ? key_scales() : key_scales() + layout_.page_tokens;
  }
  QUIRE_INLINE void next(bool more) {
    slot_ += KvLayout::kBlock;
    if (slot_ < layout_.page_tokens || !more) return;
    slot_ = 0;
    ++page_;
    step_to_page();
  }

 private:
  QUIRE_INLINE void step_to_page() {
    base_ = kv_.base + kv_.table[page_] * kv_.page_bytes + kv_.layer_offset +
            layout_.head_offset(head_);
  }

  const KvLayout& layout_;
  const PagedKv& kv_;
  const int head_;
  std::int64_t page_, slot_;
  const std::int64_t values_ = layout_.page_tokens / KvLayout::kBlock * layout_.key_block_bytes();
  const std::int64_t scales_ =
      values_ + layout_.page_tokens / KvLayout::kBlock * layout_.value_block_bytes();
  const std::byte* base_ = nullptr;
};

// Where the blocks of tokens [span.begin, span.end) of the segment lie; `stop` is the end of what
// any query sees, in tokens of the segment.
template <class F>
QUIRE_INLINE void find_blocks(const Attention& task, std::int64_t segment, Span span,
                              std::int64_t stop, SegmentBlocks& s) {
  s.begin = static_cast<int>(span.begin / KvLayout::kBlock);
  s.end = static_cast<int>((span.end + KvLayout::kBlock - 1) / KvLayout::kBlock);
  const auto last = static_cast<int>((stop + KvLayout::kBlock - 1) / KvLayout::kBlock);
  BlockWalk walk(task.kv, task.kv_head, segment + s.begin * KvLayout::kBlock);
  for (int b = s.begin; b < s.end; ++b) {
    s.keys[b] = walk.keys();
    s.values[b] = walk.values();
    if (F::kScaled) {
      s.key_scales[b] = walk.key_scales();
      s.value_scales[b] = walk.value_scales();
      call_for(reinterpret_cast<const std::byte*>(s.key_scales[b]));
      call_for(reinterpret_cast<const std::byte*>(s.value_scales[b]));
    }
    walk.next(b + 1 < last);
  }
  const bool separate = task.kv.layout.value_dim != 0;
  for (int i = 0; i < kBlocksAhead; ++i) {
    const int from = s.begin + i < s.end ? s.begin + i : s.end - 1;
    s.keys[s.end + i] = separate ? s.values[from] : s.keys[from];
    const bool known = s.end + i < last;
    s.values[s.end + i] = known ? walk.keys() : s.values[s.end - 1];
    if (known) walk.next(s.end + i + 1 < last);
  }
}

// Bits of a word of values (tokens t, t + 1 ... of a block) that belong to tokens of the span.
template <class F>
QUIRE_INLINE std::uint32_t token_mask(std::int64_t token, Span span) {
  constexpr int kBits = 32 / F::kPacked;
  std::uint32_t mask = 0;
  for (int i = 0; i < F::kPacked; ++i) {
    if (span.begin <= token + i && token + i < span.end)
      mask |= (0xffffffffu >> (32 - kBits)) << (i * kBits);
  }
  return mask;
}

// Not 0 when a word holds a number that is not finite: an exponent of ones carries into its sign.
template <class F>
QUIRE_INLINE std::uint32_t odd_bits(std::uint32_t word) {
  if constexpr (F::kPacked == 1) return ((word & 0x7f800000u) + 0x00800000u) & 0x80000000u;
  if constexpr (F::kPacked == 2) return ((word & 0x7f807f80u) + 0x00800080u) & 0x80008000u;
  return 0;
}

// Copies a block of values with zeros for the tokens outside the span. Returns whether all that is
// left is finite.
template <class F>
QUIRE_INLINE bool copy_values(const std::byte* from, std::int64_t width, Span span, float* to) {
  constexpr int kRows = KvLayout::kBlock / F::kPacked;
  const std::int64_t pad = KvLayout::padded(width);
  std::uint32_t odd = 0;
  for (int row = 0; row < kRows; ++row) {
    const std::uint32_t mask = token_mask<F>(row * F::kPacked, span);
    for (std::int64_t e = 0; e < width; ++e) {
      std::uint32_t word;
      std::memcpy(&word, from + (row * pad + e) * 4, 4);
      word &= mask;
      odd |= odd_bits<F>(word);
      std::memcpy(to + row * pad + e, &word, 4);
    }
    for (std::int64_t e = width; e < pad; ++e) to[row * pad + e] = 0;
  }
  return odd == 0;
}

// A block of keys [E_k / packed][16][packed] as the block of values [16 / packed][E'][packed].
template <class F>
QUIRE_INLINE void values_of_keys(const std::byte* keys, std::int64_t width, float* to) {
  constexpr int kPacked = F::kPacked, kBytes = 4 / kPacked;
  const std::int64_t pad = KvLayout::padded(width);
  auto* out = reinterpret_cast<std::uint32_t*>(to);
  for (std::int64_t e = 0; e < pad; e += kPacked) {
    for (int row = 0; row < KvLayout::kBlock / kPacked; ++row) {
      // Square of kPacked tokens by kPacked elements.
      std::byte in[kPacked][4], turned[kPacked][4];
      if (e < width) std::memcpy(in, keys + e / kPacked * 64 + row * kPacked * 4, sizeof(in));
      for (int t = 0; t < kPacked; ++t)
        for (int i = 0; i < kPacked; ++i)
          for (int byte = 0; byte < kBytes; ++byte)
            turned[i][t * kBytes + byte] =
                e < width ? in[t][i * kBytes + byte] ^ (F::kScaled ? std::byte{0x80} : std::byte{0})
                          : std::byte{0};
      std::memcpy(out + row * pad + e, turned, sizeof(turned));
    }
  }
}

// Points blocks of values at copies where the page cannot be read as it is: parts of keys, and
// blocks with tokens that not every query sees (such a token may hold NaN, which a weight of 0 does
// not remove). `all` is what every query sees, `some` what any does; keys[b] and values[b] for the
// blocks [begin, end) of `some`. Returns whether the tokens that only some see are finite.
struct ValueBlocks {
  int begin = 0, end = 0;
  const std::byte* const* keys = nullptr;
  const std::byte** values = nullptr;
};
template <class F>
QUIRE_INLINE bool settle_values(const KvLayout& layout, Span all, Span some, float* copies,
                                const ValueBlocks& s) {
  const bool latent = layout.value_dim == 0;
  const std::int64_t width = layout.value_read_dim();
  bool finite = true;
  if (F::kScaled && !latent) return finite;
  for (int b = s.begin; b < s.end; ++b) {
    const std::int64_t token = b * KvLayout::kBlock;
    const bool whole = all.begin <= token && token + KvLayout::kBlock <= all.end;
    if (whole && !latent) continue;
    float* copy = copies + b * KvLayout::padded(width) * KvLayout::kBlock / F::kPacked;
    if (latent) values_of_keys<F>(s.keys[b], width, copy);
    if (!whole && !F::kScaled) {
      const auto* from = latent ? reinterpret_cast<const std::byte*>(copy) : s.values[b];
      finite &= copy_values<F>(from, width, {some.begin - token, some.end - token}, copy);
    }
    s.values[b] = reinterpret_cast<const std::byte*>(copy);
  }
  return finite;
}
