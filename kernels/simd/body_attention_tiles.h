// Register tiles of attention: queries by blocks of keys, and weights by columns of values.
// Included inside the row's namespace, after the formats of dot_*.h.
#pragma once

inline constexpr std::int64_t kSegment = Attention::kSegment;

// Calls for the memory that the next tile reads while this one computes. Into the second-level
// cache: the miss buffers of the first level are what the loads of this tile need.
QUIRE_INLINE void call_for(const std::byte* p) { __builtin_prefetch(p, 0, 2); }

enum class Ahead { kNo, kYes };

// Scores of Q queries with blocks of sixteen keys each.
struct ScoreTile {
  const float* queries = nullptr;           // [E_k / packed][Q][operand words]
  const std::byte* const* keys = nullptr;   // of each block
  const std::byte* const* ahead = nullptr;  // of each block: where to call for memory
  std::int64_t steps = 0;                   // E_k / packed
  const float* starts = nullptr;            // [Q]
  float* scores = nullptr;                  // [Q, kSegment], from the first block on
};

template <class F, int Q, int B, Ahead A>
__attribute__((noinline)) void score_tile(const ScoreTile& t) {
  typename F::Acc acc[Q][B];
  const std::byte* keys[B];
  const std::byte* ahead[B];
  for (int b = 0; b < B; ++b) {
    keys[b] = t.keys[b];
    ahead[b] = A == Ahead::kYes ? t.ahead[b] : nullptr;
    for (int i = 0; i < Q; ++i) acc[i][b] = F::start(t.starts[i]);
  }
  const float* q = t.queries;
  const std::int64_t bytes = t.steps * 64;
  std::int64_t at = 0;
  // At least once: a loop that may not run makes the compiler keep the sums in memory around it.
  do {
    typename F::Panel panel[B];
    for (int b = 0; b < B; ++b) {
      panel[b] = F::load_keys(keys[b] + at);
      if (A == Ahead::kYes) call_for(ahead[b] + at);
    }
    for (int i = 0; i < Q; ++i) {
      const auto x = F::operand(q + i * F::kOperandWords);
      for (int b = 0; b < B; ++b) acc[i][b] = F::dot_keys(acc[i][b], panel[b], x);
    }
    q += Q * F::kOperandWords;
    at += 64;
  } while (at < bytes);
  float* scores = t.scores;
  for (int i = 0; i < Q; ++i)
    for (int b = 0; b < B; ++b) store(scores + i * kSegment + b * kLanes, F::sums(acc[i][b]));
}

// Blocks [begin, end) in tiles as wide as the registers allow.
template <class F, int Q, int B, Ahead A>
QUIRE_INLINE void score_blocks(ScoreTile t, int count) {
  while (count >= B) {
    score_tile<F, Q, B, A>(t);
    t.keys += B;
    t.ahead += B;
    t.scores += B * kLanes;
    count -= B;
  }
  if constexpr (B > 1) {
    if (count > 0) score_blocks<F, Q, B / 2, A>(t, count);
  }
}

// Sums of weights times values for Q queries, added to their totals: for each group of
// blocks that shares a sum, total = fma(sum, gain, total * keep); keep is 1 after the first group.
// A group that lies in two places goes in two tiles: the first leaves its sums in `partial`, the
// second resumes them.
struct ValueTile {
  const float* weights = nullptr;            // [Q, kSegment], operands of the segment
  const std::byte* const* values = nullptr;  // of each block of the segment
  const std::byte* const* ahead = nullptr;
  int begin = 0, end = 0;      // blocks
  int first_group = 0;         // of those that the queries see
  bool resume = false;         // `begin` continues a group
  bool leave = false;          // `end` does not end a group
  std::int64_t row_bytes = 0;  // from one row of words to the next
  float* totals = nullptr;     // [Q, total_stride]
  std::int64_t total_stride = 0;
  float* partial = nullptr;     // [Q, total_stride] words; null where neither resume nor leave
  const float* keep = nullptr;  // [Q]
  const float* gain = nullptr;  // [Q, kSums]
};

// Blocks of a segment that share a sum: all of them, or those with a common scale of the weights.
template <class F>
inline constexpr int kSumBlocks =
    F::kScaled ? Attention::kCodeGroup / KvLayout::kBlock : kSegmentBlocks;
inline constexpr int kSums = Attention::kSegment / Attention::kCodeGroup;

template <class F, int Q, int C>
QUIRE_INLINE void add_sums(const ValueTile& t, const typename F::Acc (&acc)[Q][C],
                           std::int64_t column, int group, bool first) {
  for (int i = 0; i < Q; ++i) {
    const Vec keep = splat<Vec>(first ? t.keep[i] : 1.0f),
              gain = splat<Vec>(t.gain[i * kSums + group]);
    float* total = t.totals + i * t.total_stride + column * kLanes;
    for (int c = 0; c < C; ++c, total += kLanes)
      store(total, madd(F::sums(acc[i][c]), gain, mul(load(total), keep)));
  }
}

template <class F, int Q, int C>
QUIRE_INLINE void begin_sums(const ValueTile& t, std::int64_t column, bool resume,
                             typename F::Acc (&acc)[Q][C]) {
  static_assert(sizeof(typename F::Acc) == kLanes * sizeof(float));
  for (int i = 0; i < Q; ++i) {
    for (int c = 0; c < C; ++c) {
      acc[i][c] = F::start(0);
      if (resume)
        std::memcpy(&acc[i][c], t.partial + i * t.total_stride + (column + c) * kLanes,
                    sizeof(acc[i][c]));
    }
  }
}

template <class F, int Q, int C>
QUIRE_INLINE void leave_sums(const ValueTile& t, const typename F::Acc (&acc)[Q][C],
                             std::int64_t column) {
  for (int i = 0; i < Q; ++i)
    for (int c = 0; c < C; ++c)
      std::memcpy(t.partial + i * t.total_stride + (column + c) * kLanes, &acc[i][c],
                  sizeof(acc[i][c]));
}

template <class F, int Q, int C, Ahead A>
__attribute__((noinline)) void value_tile(const ValueTile& t, std::int64_t column) {
  constexpr int kRows = KvLayout::kBlock / F::kPacked;
  const std::int64_t row_bytes = t.row_bytes;
  for (int from = t.begin, to; from < t.end; from = to) {
    const int group = from / kSumBlocks<F>;
    to = (group + 1) * kSumBlocks<F>;
    if (to > t.end) to = t.end;
    typename F::Acc acc[Q][C];
    begin_sums<F, Q, C>(t, column, t.resume && from == t.begin, acc);
    int b = from;
    do {
      const std::byte* v = t.values[b] + column * 64;
      const std::byte* ahead = A == Ahead::kYes ? t.ahead[b] + column * 64 : nullptr;
      const float* w = t.weights + b * kRows * F::kOperandWords;
      for (int row = 0; row < kRows; ++row) {
        typename F::Panel panel[C];
        for (int c = 0; c < C; ++c) {
          panel[c] = F::load_values(v + c * 64);
          if (A == Ahead::kYes) call_for(ahead + c * 64);
        }
        for (int i = 0; i < Q; ++i) {
          const auto x = F::operand(w + i * kSegment);
          for (int c = 0; c < C; ++c) acc[i][c] = F::dot_values(acc[i][c], panel[c], x);
        }
        v += row_bytes;
        ahead += row_bytes;
        w += F::kOperandWords;
      }
    } while (++b < to);
    if (t.leave && to == t.end) return leave_sums<F, Q, C>(t, acc, column);
    add_sums<F, Q, C>(t, acc, column, group, group == t.first_group);
  }
}

// Columns [column, columns) of sixteen elements.
template <class F, int Q, int C, Ahead A>
QUIRE_INLINE void value_columns(const ValueTile& t, std::int64_t column, std::int64_t columns) {
  for (; column + C <= columns; column += C) value_tile<F, Q, C, A>(t, column);
  if constexpr (C > 1) {
    if (column < columns) value_columns<F, Q, C / 2, A>(t, column, columns);
  }
}
