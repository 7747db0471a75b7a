// Attention of rows of several sequences over pages that they share, page by page once for all.
// Included inside the row's namespace, after body_attention.h.
//
// The segment is the outer loop. Within it every piece of context (some rows, some blocks) gets its
// scores, then every query its weights, then every piece its values. A query's sums see its pieces
// in order; sums that a piece leaves in the middle of a group rest in memory, bits and all, until
// the next piece resumes them. So the cut into pieces leaves no trace.
#pragma once

inline constexpr int kSharedRows = SharedAttention::kQueriesMax;
static_assert(SharedAttention::kQueriesMax <= kQueryBlock);

// The blocks [begin, end) of a segment that a piece holds; they lie at `at` in the list of all.
struct PieceBlocks {
  int row = 0, rows = 0;
  Span tokens;
  int begin = 0, end = 0, at = 0;
};

struct SharedWork {
  explicit SharedWork(const SharedAttention& all) : block{all.common}, task(all) {}

  QueryBlock block;
  const SharedAttention& task;
  std::int64_t key_pad = 0;
  float* queries = nullptr;  // [slots, key_pad]: each query's operand words, one after the other
  float* partial = nullptr;  // [slots, value_pad]
  int pieces = 0;
  PieceBlocks piece[2 * kSharedRows];
  // Of all pieces, in the order of reading, and where the last tiles look ahead.
  const std::byte* keys[kSharedRows * kSegmentBlocks + kBlocksAhead];
  const std::byte* values[kSharedRows * kSegmentBlocks + kBlocksAhead];
};

QUIRE_INLINE PagedKv pages_of(const SharedAttention& task, int row) {
  PagedKv kv = task.common.kv;
  kv.table = task.rows[static_cast<std::size_t>(row)].table;
  return kv;
}

template <class F>
QUIRE_INLINE void find_pieces(SharedWork& w, std::int64_t segment) {
  w.pieces = 0;
  int at = 0;
  for (const SharedAttention::Piece& piece : w.task.pieces) {
    PieceBlocks p;
    p.tokens.begin = larger(piece.begin - segment, 0);
    p.tokens.end = smaller(piece.end - segment, kSegment);
    if (p.tokens.begin >= p.tokens.end) continue;
    p.row = piece.row;
    p.rows = piece.rows;
    p.begin = static_cast<int>(p.tokens.begin / kLanes);
    p.end = static_cast<int>((p.tokens.end + kLanes - 1) / kLanes);
    p.at = at;
    const PagedKv kv = pages_of(w.task, p.row);
    BlockWalk walk(kv, w.task.common.kv_head, segment + p.tokens.begin);
    for (int b = p.begin; b < p.end; ++b, ++at) {
      w.keys[at] = walk.keys();
      w.values[at] = walk.values();
      walk.next(b + 1 < p.end);
    }
    w.piece[w.pieces++] = p;
  }
  const bool separate = w.task.common.kv.layout.value_dim != 0;
  for (int i = 0; i < kBlocksAhead; ++i) {
    w.keys[at + i] = separate ? w.values[i < at ? i : at - 1] : w.keys[at - 1];
    w.values[at + i] = w.values[at - 1];
  }
}

// The tiles of a piece cover its queries exactly: a slot behind them belongs to another piece.
template <class F>
QUIRE_INLINE void cut_piece(const PieceBlocks& p, int heads, TileList<F>& list) {
  const int end = (p.row + p.rows) * heads;
  for (int slot = p.row * heads; slot < end;) {
    QueryTile& t = list.tile[list.count++];
    t.slot = slot;
    t.leads = slot == p.row * heads;
    t.begin = p.begin;
    t.end = p.end;
    t.queries = F::kQueries;
    while (t.queries > end - slot) t.queries = narrower(t.queries);
    slot += t.queries;
  }
}

// Word by word, the queries of a tile side by side.
template <class F>
QUIRE_INLINE void interleave(SharedWork& w, const QueryTile& tile) {
  const std::int64_t steps = w.task.common.kv.layout.key_words();
  float* to = w.block.operands + tile.slot * w.key_pad;
  const float* from = w.queries + tile.slot * w.key_pad;
  for (int i = 0; i < tile.queries; ++i)
    for (std::int64_t step = 0; step < steps; ++step)
      std::memcpy(to + (step * tile.queries + i) * F::kOperandWords,
                  from + i * w.key_pad + step * F::kOperandWords, F::kOperandWords * sizeof(float));
}

template <class F>
QUIRE_INLINE void score_piece(SharedWork& w, const PieceBlocks& p) {
  TileList<F> tiles;
  cut_piece<F>(p, w.task.common.heads_per_kv, tiles);
  for (int t = 0; t < tiles.count; ++t) interleave<F>(w, tiles.tile[t]);
  const std::byte* const* keys = w.keys + p.at - p.begin;
  const int step = tiles.count == 1 ? kSegmentBlocks : 2;
  for (int from = p.begin; from < p.end; from += step) {
    const int to = from + step < p.end ? from + step : p.end;
    for (int t = 0; t < tiles.count; ++t)
      score<F, F::kQueries>(w.block, tiles.tile[t], keys, from, to);
  }
}

// Scores of all queries of a row become weights.
template <class F>
QUIRE_INLINE void weigh_row(SharedWork& w, int row, std::int64_t segment) {
  const std::int64_t position = w.task.rows[static_cast<std::size_t>(row)].position;
  const Span seen = {0, smaller(position + 1 - segment, kSegment)};
  if (seen.end <= 0) return;
  const int blocks = static_cast<int>((seen.end + kLanes - 1) / kLanes);
  SegmentBlocks s;
  if (F::kScaled) {
    const PagedKv kv = pages_of(w.task, row);
    BlockWalk walk(kv, w.task.common.kv_head, segment);
    for (int b = 0; b < blocks; ++b) {
      s.key_scales[b] = walk.key_scales();
      s.value_scales[b] = walk.value_scales();
      walk.next(b + 1 < blocks);
    }
  }
  const int heads = w.task.common.heads_per_kv;
  for (int i = row * heads; i < (row + 1) * heads; ++i) {
    w.block.seen[i] = seen;
    weigh<F>(w.block, i, 0, blocks, s);
  }
}

template <class F>
QUIRE_INLINE void add_piece(SharedWork& w, const PieceBlocks& p, std::int64_t segment) {
  TileList<F> tiles;
  cut_piece<F>(p, w.task.common.heads_per_kv, tiles);
  const std::byte** values = w.values + p.at - p.begin;
  settle_values<F>(w.task.common.kv.layout, p.tokens, p.tokens, w.block.copies,
                   {p.begin, p.end, w.keys + p.at - p.begin, values});
  // All rows of a piece go on behind it, or it is the last of its only row.
  const std::int64_t end = segment + p.end * kLanes;
  const bool more = w.task.rows[static_cast<std::size_t>(p.row)].position >= end;
  for (int t = 0; t < tiles.count; ++t) {
    ValueTile tile;
    tile.values = values;
    tile.resume = p.begin % kSumBlocks<F> != 0;
    tile.leave = p.end % kSumBlocks<F> != 0 && more;
    tile.partial = w.partial + tiles.tile[t].slot * w.block.value_pad;
    add_values<F, F::kQueries>(w.block, tiles.tile[t], tile);
  }
}

template <class F>
QUIRE_INLINE void take_rows(SharedWork& w) {
  QueryBlock& b = w.block;
  const Attention& common = w.task.common;
  const int heads = common.heads_per_kv;
  std::memset(b.totals, 0, static_cast<std::size_t>(b.count * b.value_pad) * sizeof(float));
  for (int i = 0; i < b.count; ++i) {
    const SharedAttention::Row& row = w.task.rows[static_cast<std::size_t>(i / heads)];
    const QueryPlace place = place_of(common, row.index * heads + i % heads);
    pack_query<F>(b, i, place.q, w.queries + i * w.key_pad, 1);
    b.peak[i] = -__builtin_inff();
  }
}

template <class F>
void shared_attention_of(const SharedAttention& task) {
  const Attention& common = task.common;
  const AttentionScratch parts(common.kv.layout);
  SharedWork w(task);
  QueryBlock& b = w.block;
  b.count = static_cast<int>(task.rows.size()) * common.heads_per_kv;
  b.value_pad = parts.value_pad;
  b.operands = common.scratch;
  b.row = b.operands + parts.queries();
  b.scores = b.row + parts.row();
  b.totals = b.scores + parts.scores();
  b.copies = b.totals + parts.totals();
  w.queries = b.copies + parts.values();
  w.partial = w.queries + parts.queries();
  w.key_pad = parts.key_pad;
  take_rows<F>(w);
  std::int64_t stop = 0;
  for (const SharedAttention::Row& row : task.rows) stop = larger(stop, row.position + 1);
  for (std::int64_t segment = 0; segment < stop; segment += kSegment) {
    find_pieces<F>(w, segment);
    for (int p = 0; p < w.pieces; ++p) score_piece<F>(w, w.piece[p]);
    for (int row = 0; row < static_cast<int>(task.rows.size()); ++row)
      weigh_row<F>(w, row, segment);
    for (int p = 0; p < w.pieces; ++p) add_piece<F>(w, w.piece[p], segment);
  }
  for (int i = 0; i < b.count; ++i) {
    const SharedAttention::Row& row = task.rows[static_cast<std::size_t>(i / common.heads_per_kv)];
    const int head = common.kv_head * common.heads_per_kv + i % common.heads_per_kv;
    finish(b, i, head,
           common.out + row.index * common.out_stride +
               std::int64_t{head} * common.kv.layout.value_read_dim());
  }
}

void shared_attention(const SharedAttention& task) {
  switch (task.common.kv.layout.dtype) {
    case DType::kF32:
      return shared_attention_of<KvF32>(task);
    case DType::kBf16:
      return shared_attention_of<KvBf16>(task);
    case DType::kI8:
      return shared_attention_of<KvI8>(task);
    default:
      CHECK(false, "attention over pages of {}", dtype_name(task.common.kv.layout.dtype));
  }
}
