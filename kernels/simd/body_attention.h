// Causal attention over pages, one kv head and its group of query heads.
// Included inside the row's namespace, after body_attention_weights.h.
//
// Queries (row, head) go in blocks that share every load of a key or value. A block walks the
// segments of the context in order; each query's own sums see only its own visible keys, in order,
// so the blocks leave no trace in the bits.
#pragma once

// Queries of a block that share registers, and the blocks of keys of a segment that any of them
// sees.
struct QueryTile {
  int slot = 0, queries = 0;
  int begin = 0, end = 0;
  bool leads = false;  // the first to read them, so that it calls for what comes next
};

// The next narrower tile of a format: 8, 4, 2, 1 or 6, 4, 2, 1.
constexpr int narrower(int queries) { return queries == 6 ? 4 : queries / 2; }

// The narrowest tile that takes `count` queries, or the widest.
template <class F>
constexpr int tile_for(int count) {
  int queries = F::kQueries;
  while (queries > 1 && narrower(queries) >= count) queries = narrower(queries);
  return queries;
}

template <class F>
struct TileList {
  int count = 0;
  QueryTile tile[kQuerySlots / F::kQueries + 3];
};

template <class F>
QUIRE_INLINE void cut_tiles(int count, TileList<F>& list) {
  for (int slot = 0; slot < count;) {
    QueryTile& t = list.tile[list.count++];
    t.slot = slot;
    t.leads = slot == 0;
    t.queries = tile_for<F>(count - slot);
    slot += t.queries;
  }
}

// Scores of a tile with blocks [from, to) of the segment.
template <class F, int Q>
QUIRE_INLINE void score(const QueryBlock& b, const QueryTile& tile, const std::byte* const* keys,
                        int from, int to) {
  if constexpr (Q > 1) {
    if (tile.queries != Q) return score<F, narrower(Q)>(b, tile, keys, from, to);
  }
  constexpr int kWide = F::wide(Q);
  ScoreTile t;
  t.queries = b.operands + tile.slot * ((b.task.kv.layout.key_dim + 15) / 16 * 16);
  t.keys = keys + from;
  t.ahead = keys + from + kWide;
  t.steps = b.task.kv.layout.key_words();
  t.starts = b.start + tile.slot;
  t.scores = b.scores + tile.slot * kSegment + from * kLanes;
  if (tile.leads) return score_blocks<F, Q, kWide, Ahead::kYes>(t, to - from);
  score_blocks<F, Q, kWide, Ahead::kNo>(t, to - from);
}

// `t` says which values and which groups of them.
template <class F, int Q>
QUIRE_INLINE void add_values(const QueryBlock& b, const QueryTile& tile, ValueTile t) {
  if constexpr (Q > 1) {
    if (tile.queries != Q) return add_values<F, narrower(Q)>(b, tile, t);
  }
  constexpr int kWide = F::wide(Q);
  t.weights = b.scores + tile.slot * kSegment;
  t.ahead = t.values + 1;
  t.begin = tile.begin;
  t.end = tile.end;
  t.row_bytes = b.value_pad * 4;
  t.totals = b.totals + tile.slot * b.value_pad;
  t.total_stride = b.value_pad;
  t.keep = b.keep + tile.slot;
  t.gain = b.gain + tile.slot * kSums;
  const std::int64_t columns = b.value_pad / kLanes;
  if (tile.leads) return value_columns<F, Q, kWide, Ahead::kYes>(t, 0, columns);
  value_columns<F, Q, kWide, Ahead::kNo>(t, 0, columns);
}

// What the queries of a block see of a segment: all of them, and any of them.
template <class F>
QUIRE_INLINE void look_at(QueryBlock& b, TileList<F>& tiles, std::int64_t segment, Span& all,
                          Span& some) {
  all = {0, kSegment};
  some = {kSegment, 0};
  for (int t = 0; t < tiles.count; ++t) {
    QueryTile& tile = tiles.tile[t];
    Span of_tile = {kSegment, 0};
    for (int i = tile.slot; i < tile.slot + tile.queries && i < b.count; ++i) {
      Span& seen = b.seen[i];
      seen.begin = larger(b.visible[i].begin - segment, 0);
      seen.end = smaller(b.visible[i].end - segment, kSegment);
      all.begin = larger(all.begin, seen.begin);
      all.end = smaller(all.end, seen.end);
      if (seen.begin >= seen.end) continue;
      of_tile.begin = smaller(of_tile.begin, seen.begin);
      of_tile.end = larger(of_tile.end, seen.end);
    }
    tile.begin = static_cast<int>(of_tile.begin / kLanes);
    tile.end = static_cast<int>((of_tile.end + kLanes - 1) / kLanes);
    some.begin = smaller(some.begin, of_tile.begin);
    some.end = larger(some.end, of_tile.end);
  }
}

// One segment of the context. False when values that only some of the queries see are not finite:
// the queries must then go one at a time.
template <class F>
bool attend_segment(QueryBlock& b, TileList<F>& tiles, std::int64_t segment, std::int64_t stop) {
  Span all, some;
  look_at(b, tiles, segment, all, some);
  if (some.begin >= some.end) return true;
  SegmentBlocks s;
  find_blocks<F>(b.task, segment, some, stop - segment, s);
  // With many tiles a few blocks of keys stay near while all of them pass.
  const int step = tiles.count == 1 ? kSegmentBlocks : 2;
  for (int from = s.begin; from < s.end; from += step) {
    for (int t = 0; t < tiles.count; ++t) {
      const QueryTile& tile = tiles.tile[t];
      const int begin = from > tile.begin ? from : tile.begin;
      const int end = from + step < tile.end ? from + step : tile.end;
      if (begin < end) score<F, F::kQueries>(b, tile, s.keys, begin, end);
    }
  }
  const bool finite =
      settle_values<F>(b.task.kv.layout, all, some, b.copies, {s.begin, s.end, s.keys, s.values});
  const bool same = all.begin == some.begin && all.end == some.end;
  if (!finite && !same) return false;
  for (int t = 0; t < tiles.count; ++t) {
    const QueryTile& tile = tiles.tile[t];
    if (tile.begin >= tile.end) continue;
    for (int i = tile.slot; i < tile.slot + tile.queries; ++i)
      weigh<F>(b, i, tile.begin, tile.end, s);
    ValueTile values;
    values.values = s.values;
    values.first_group = tile.begin / kSumBlocks<F>;
    add_values<F, F::kQueries>(b, tile, values);
  }
  return true;
}

QUIRE_INLINE std::int64_t first_key(const Attention& task, std::int64_t position) {
  std::int64_t first = 0;
  if (task.window > 0) first = larger(first, position - task.window + 1);
  if (task.chunk > 0) first = larger(first, position / task.chunk * task.chunk);
  return first;
}

// Query number `index` of a task, counted row by row, head by head.
struct QueryPlace {
  std::int64_t row;
  int head;
  const float* q;
};
QUIRE_INLINE QueryPlace place_of(const Attention& task, std::int64_t index) {
  const std::int64_t row = index / task.heads_per_kv;
  const int head =
      task.kv_head * task.heads_per_kv + static_cast<int>(index - row * task.heads_per_kv);
  return {row, head, task.q + row * task.q_stride + std::int64_t{head} * task.kv.layout.key_dim};
}

// Packs the queries [begin, begin + count) of the task and clears what they add up to.
template <class F>
QUIRE_INLINE void take_queries(QueryBlock& b, const TileList<F>& tiles, std::int64_t begin) {
  const AttentionScratch parts(b.task.kv.layout);
  const QueryTile& last = tiles.tile[tiles.count - 1];
  const int slots = last.slot + last.queries;
  std::memset(b.totals, 0, static_cast<std::size_t>(slots * parts.value_pad) * sizeof(float));
  std::memset(b.operands + last.slot * parts.key_pad, 0,
              static_cast<std::size_t>(last.queries * parts.key_pad) * sizeof(float));
  // Rows of queries lie far apart: no prefetcher of the machine sees the next one coming.
  for (int i = 0; i < b.count; ++i) {
    const float* q = place_of(b.task, begin + i).q;
    for (std::int64_t d = 0; d < b.task.kv.layout.key_dim; d += kLanes)
      call_for(reinterpret_cast<const std::byte*>(q + d));
  }
  for (int t = 0; t < tiles.count; ++t) {
    const QueryTile& tile = tiles.tile[t];
    float* operands = b.operands + tile.slot * parts.key_pad;
    for (int i = tile.slot; i < tile.slot + tile.queries && i < b.count; ++i) {
      const QueryPlace place = place_of(b.task, begin + i);
      pack_query<F>(b, i, place.q, operands + (i - tile.slot) * F::kOperandWords, tile.queries);
      const std::int64_t position = b.task.position + place.row;
      b.visible[i] = {first_key(b.task, position), position + 1};
      b.peak[i] = -__builtin_inff();
    }
  }
}

// Queries [begin, begin + count) of the task. False as above.
template <class F>
bool attend(const Attention& task, std::int64_t begin, int count) {
  const AttentionScratch parts(task.kv.layout);
  QueryBlock b{task};
  b.count = count;
  b.value_pad = parts.value_pad;
  b.operands = task.scratch;
  b.row = b.operands + parts.queries();
  b.scores = b.row + parts.row();
  b.totals = b.scores + parts.scores();
  b.copies = b.totals + parts.totals();
  TileList<F> tiles;
  cut_tiles(count, tiles);
  take_queries(b, tiles, begin);
  const std::int64_t stop = b.visible[count - 1].end;
  for (std::int64_t s = b.visible[0].begin / kSegment * kSegment; s < stop; s += kSegment) {
    if (!attend_segment(b, tiles, s, stop)) return false;
  }
  for (int i = 0; i < count; ++i) {
    const QueryPlace place = place_of(task, begin + i);
    finish(b, i, place.head,
           task.out + place.row * task.out_stride +
               std::int64_t{place.head} * task.kv.layout.value_read_dim());
  }
  return true;
}

template <class F>
void attention_of(const Attention& task) {
  const std::int64_t queries = task.rows * task.heads_per_kv;
  for (std::int64_t i = 0; i < queries; i += kQueryBlock) {
    const int count = static_cast<int>(smaller(kQueryBlock, queries - i));
    if (attend<F>(task, i, count)) continue;
    for (int j = 0; j < count; ++j) attend<F>(task, i + j, 1);
  }
}

void attention(const Attention& task) {
  switch (task.kv.layout.dtype) {
    case DType::kF32:
      return attention_of<KvF32>(task);
    case DType::kBf16:
      return attention_of<KvBf16>(task);
    case DType::kI8:
      return attention_of<KvI8>(task);
    default:
      CHECK(false, "attention over pages of {}", dtype_name(task.kv.layout.dtype));
  }
}
