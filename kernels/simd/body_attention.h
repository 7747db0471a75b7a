// Causal attention over pages, one kv head and its group of query heads.
// Included inside the row's namespace, after body_norm.h and body_elementwise.h.
//
// Queries (row, head) go in blocks that share every load of a key or value. A block walks the
// segments of the context in order; each query's own sums see only its own visible keys, in order,
// so the blocks leave no trace in the bits.
#pragma once

inline constexpr std::int64_t kSegment = Attention::kSegment;

template <class E>
struct QueryBlock {
  const Attention& task;
  int count = 0;
  std::int64_t value_dim = 0, value_pad = 0;
  float* scores = nullptr;   // [count, kSegment]
  float* partial = nullptr;  // [count, value_pad], this segment
  float* total = nullptr;    // [count, value_pad], segments so far
  const float* q[kQueryBlock] = {};
  float* out[kQueryBlock] = {};
  int head[kQueryBlock] = {};
  std::int64_t first[kQueryBlock] = {}, last[kQueryBlock] = {};  // visible keys, last included
  std::int64_t begin[kQueryBlock] = {}, end[kQueryBlock] = {};   // the same within the segment
  float peak[kQueryBlock] = {}, sum[kQueryBlock] = {};           // of the segment
  float peak_total[kQueryBlock] = {}, sum_total[kQueryBlock] = {};
  bool started[kQueryBlock] = {};
};

// Sixteen keys at a time: Q queries by kDots / Q keys in registers.
template <int Q, class E>
QUIRE_INLINE void dot_tile(const float* const* q, const E* keys, std::int64_t key_dim,
                           float* scores) {
  constexpr int kKeys = kDots / Q;
  Vec acc[kDots];
  for (int i = 0; i < kDots; ++i) acc[i] = zero();
  std::int64_t d = 0;
  for (; d + kLanes <= key_dim; d += kLanes) {
    Vec qv[Q];
    for (int i = 0; i < Q; ++i) qv[i] = load(q[i] + d);
    for (int j = 0; j < kKeys; ++j) {
      const Vec kv = load(keys + j * key_dim + d);
      for (int i = 0; i < Q; ++i) acc[i * kKeys + j] = madd(qv[i], kv, acc[i * kKeys + j]);
    }
  }
  if (const int n = static_cast<int>(key_dim - d); n > 0) {
    for (int j = 0; j < kKeys; ++j) {
      const Vec kv = load_n(keys + j * key_dim + d, n);
      for (int i = 0; i < Q; ++i)
        acc[i * kKeys + j] = madd_n(load_n(q[i] + d, n), kv, acc[i * kKeys + j], n);
    }
  }
  float dots[kDots];
  reduce_add_dots(acc, dots);
  for (int i = 0; i < Q; ++i)
    std::memcpy(scores + i * kSegment, dots + i * kKeys, kKeys * sizeof(float));
}

// Scores of Q queries from i on with the sixteen keys at `keys`, if any of them may be visible.
template <int Q, class E>
QUIRE_INLINE void dot_sixteen(QueryBlock<E>& b, int i, const E* keys, std::int64_t at) {
  bool visible = false;
  for (int r = i; r < i + Q; ++r) visible |= b.begin[r] < at + kLanes && at < b.end[r];
  if (!visible) return;
  constexpr int kKeys = kDots / Q;
  const std::int64_t key_dim = b.task.kv.layout.key_dim;
  for (int j = 0; j < kLanes; j += kKeys)
    dot_tile<Q>(b.q + i, keys + j * key_dim, key_dim, b.scores + i * kSegment + at + j);
}

// A run: keys of one page, in positions of the segment.
template <class E>
struct Run {
  const E* keys;  // of slot 0 of the page
  const E* values;
  std::int64_t slot_of_zero;  // slot of the segment's position 0, may be negative
  std::int64_t begin, end;
};

template <class E>
QUIRE_INLINE Run<E> run_at(const Attention& task, std::int64_t segment, std::int64_t at,
                           std::int64_t end) {
  const KvLayout& layout = task.kv.layout;
  const std::int64_t tokens = layout.page_tokens;
  const std::int64_t position = segment + at;
  const E* head = reinterpret_cast<const E*>(task.kv.page(position)) +
                  task.kv_head * (layout.key_dim + layout.value_dim) * tokens;
  const std::int64_t page_begin = position / tokens * tokens - segment;
  Run<E> run;
  run.keys = head;
  run.values = layout.value_dim == 0 ? head : head + tokens * layout.key_dim;
  run.slot_of_zero = -page_begin;
  run.begin = at;
  run.end = page_begin + tokens < end ? page_begin + tokens : end;
  return run;
}

template <class E>
QUIRE_INLINE void score_run(QueryBlock<E>& b, const Run<E>& run) {
  const std::int64_t key_dim = b.task.kv.layout.key_dim;
  // Pages hold whole sixteens of slots, so rounding down stays inside the page.
  for (std::int64_t at = run.begin / kLanes * kLanes; at < run.end; at += kLanes) {
    const E* keys = run.keys + (at + run.slot_of_zero) * key_dim;
    int i = 0;
    if constexpr (kDots >= 16) {
      for (; i + 4 <= b.count; i += 4) dot_sixteen<4>(b, i, keys, at);
    }
    for (; i + 2 <= b.count; i += 2) dot_sixteen<2>(b, i, keys, at);
    for (; i < b.count; ++i) dot_sixteen<1>(b, i, keys, at);
  }
}

// Scores become exp(score - peak); lanes that are not visible become 0.
template <class E>
QUIRE_INLINE void weigh(QueryBlock<E>& b, int i) {
  const Vec lowest = splat<Vec>(-__builtin_inff());
  const Vec factor = splat<Vec>(b.task.scale), cap = splat<Vec>(b.task.softcap);
  float* scores = b.scores + i * kSegment;
  const std::int64_t begin = b.begin[i] / kLanes * kLanes;
  Vec peak = lowest;
  for (std::int64_t at = begin; at < b.end[i]; at += kLanes) {
    Vec s = mul(load(scores + at), factor);
    if (b.task.softcap != 0) s = softcap_v(cap, s);
    if (at + kLanes > b.end[i]) s = select(first_n(static_cast<int>(b.end[i] - at)), s, lowest);
    if (at < b.begin[i]) s = select(first_n(static_cast<int>(b.begin[i] - at)), lowest, s);
    store(scores + at, s);
    peak = max(s, peak);
  }
  b.peak[i] = reduce_max(peak);
  const Vec shift = splat<Vec>(b.peak[i]);
  Vec sum = zero();
  for (std::int64_t at = begin; at < b.end[i]; at += kLanes) {
    const Vec e = exp_v(sub(load(scores + at), shift));
    store(scores + at, e);
    sum = add(sum, e);
  }
  b.sum[i] = reduce_add(sum);
}

// Values [begin, end) of a run times the weights of Q queries, added to their partial sums.
struct ValueTile {
  const float* weights;  // [Q, kSegment]
  float* partial;        // [Q, value_pad]
  std::int64_t value_pad, stride;
  std::int64_t begin, end;
};

template <int Q, int C, class E>
QUIRE_INLINE void value_columns(const ValueTile& t, const E* values, std::int64_t column, int n) {
  Vec acc[Q][C];
  for (int i = 0; i < Q; ++i)
    for (int c = 0; c < C; ++c) acc[i][c] = load(t.partial + i * t.value_pad + column + c * kLanes);
  for (std::int64_t j = t.begin; j < t.end; ++j) {
    const E* row = values + j * t.stride + column;
    Vec v[C];
    for (int c = 0; c < C; ++c) v[c] = C == 1 ? load_n(row, n) : load(row + c * kLanes);
    for (int i = 0; i < Q; ++i) {
      const Vec weight = splat<Vec>(t.weights[i * kSegment + j]);
      for (int c = 0; c < C; ++c) acc[i][c] = madd(weight, v[c], acc[i][c]);
    }
  }
  for (int i = 0; i < Q; ++i)
    for (int c = 0; c < C; ++c) store(t.partial + i * t.value_pad + column + c * kLanes, acc[i][c]);
}

template <int Q, class E>
QUIRE_INLINE void value_range(QueryBlock<E>& b, int i, const Run<E>& run, std::int64_t begin,
                              std::int64_t end) {
  if (begin >= end) return;
  const KvLayout& layout = b.task.kv.layout;
  const std::int64_t stride = layout.value_dim == 0 ? layout.key_dim : layout.value_dim;
  const ValueTile t{
      b.scores + i * kSegment, b.partial + i * b.value_pad, b.value_pad, stride, begin, end};
  const E* values = run.values + run.slot_of_zero * stride;
  constexpr int kWide = kDots >= 16 ? (Q == 4 ? 4 : 8) : 4 / Q;
  std::int64_t column = 0;
  for (; column + kWide * kLanes <= b.value_dim; column += kWide * kLanes)
    value_columns<Q, kWide>(t, values, column, kLanes);
  if constexpr (kWide > 2) {
    for (; column + 2 * kLanes <= b.value_dim; column += 2 * kLanes)
      value_columns<Q, 2>(t, values, column, kLanes);
  }
  for (; column < b.value_dim; column += kLanes) {
    const std::int64_t n = b.value_dim - column;
    value_columns<Q, 1>(t, values, column, n < kLanes ? static_cast<int>(n) : kLanes);
  }
}

QUIRE_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
QUIRE_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// Keys that all Q queries see go through one tile; what only some see goes one query at a time,
// before or after it, so that every query meets its keys in ascending order.
template <int Q, class E>
QUIRE_INLINE void value_queries(QueryBlock<E>& b, int i, const Run<E>& run) {
  std::int64_t begin = run.begin, end = run.end;
  for (int r = i; r < i + Q; ++r) {
    begin = larger(begin, b.begin[r]);
    end = smaller(end, b.end[r]);
  }
  if (begin >= end) begin = end = run.end;
  for (int r = i; r < i + Q; ++r)
    value_range<1>(b, r, run, larger(run.begin, b.begin[r]), smaller(begin, b.end[r]));
  value_range<Q>(b, i, run, begin, end);
  for (int r = i; r < i + Q; ++r) value_range<1>(b, r, run, end, smaller(run.end, b.end[r]));
}

template <class E>
QUIRE_INLINE void value_run(QueryBlock<E>& b, const Run<E>& run) {
  int i = 0;
  if constexpr (kDots >= 16) {
    for (; i + 4 <= b.count; i += 4) value_queries<4>(b, i, run);
  }
  for (; i + 2 <= b.count; i += 2) value_queries<2>(b, i, run);
  for (; i < b.count; ++i)
    value_range<1>(b, i, run, larger(run.begin, b.begin[i]), smaller(run.end, b.end[i]));
}

QUIRE_INLINE float exp_of(float x) { return first_lane(exp_v(splat<Vec>(x))); }

// total = total * exp(peak_total - M) + partial * exp(peak - M), M the larger peak. The first
// segment is taken as it is.
template <class E>
QUIRE_INLINE void merge(QueryBlock<E>& b, int i) {
  float* total = b.total + i * b.value_pad;
  const float* partial = b.partial + i * b.value_pad;
  if (!b.started[i]) {
    b.started[i] = true;
    b.peak_total[i] = b.peak[i];
    b.sum_total[i] = b.sum[i];
    std::memcpy(total, partial, static_cast<std::size_t>(b.value_pad) * sizeof(float));
    return;
  }
  const float peak = b.peak[i] > b.peak_total[i] ? b.peak[i] : b.peak_total[i];
  const float old_factor = exp_of(b.peak_total[i] - peak);
  const float new_factor = exp_of(b.peak[i] - peak);
  b.peak_total[i] = peak;
  b.sum_total[i] = __builtin_fmaf(b.sum_total[i], old_factor, b.sum[i] * new_factor);
  for (std::int64_t e = 0; e < b.value_pad; e += kLanes) {
    const Vec added = mul(load(partial + e), splat<Vec>(new_factor));
    store(total + e, madd(load(total + e), splat<Vec>(old_factor), added));
  }
}

template <class E>
QUIRE_INLINE void finish(QueryBlock<E>& b, int i) {
  float* total = b.total + i * b.value_pad;
  float sum = b.sum_total[i];
  Vec factor = splat<Vec>(1.0f);
  if (b.task.sinks != nullptr) {
    const float sink = b.task.sinks[b.head[i]];
    const float peak = sink > b.peak_total[i] ? sink : b.peak_total[i];
    const float old_factor = exp_of(b.peak_total[i] - peak);
    sum = __builtin_fmaf(sum, old_factor, exp_of(sink - peak));
    factor = splat<Vec>(old_factor);
  }
  for (std::int64_t e = 0; e < b.value_dim; e += kLanes) {
    const Vec v = div(mul(load(total + e), factor), splat<Vec>(sum));
    const std::int64_t n = b.value_dim - e;
    store_n(b.out[i] + e, v, n < kLanes ? static_cast<int>(n) : kLanes);
  }
}

template <class E>
QUIRE_INLINE void segment_of(QueryBlock<E>& b, std::int64_t segment) {
  std::int64_t lo = kSegment, hi = 0;
  for (int i = 0; i < b.count; ++i) {
    b.begin[i] = larger(b.first[i] - segment, 0);
    b.end[i] = smaller(b.last[i] + 1 - segment, kSegment);
    if (b.begin[i] >= b.end[i]) {
      b.begin[i] = b.end[i] = 0;
      continue;
    }
    lo = smaller(lo, b.begin[i]);
    hi = larger(hi, b.end[i]);
  }
  for (std::int64_t at = lo; at < hi;) {
    const Run<E> run = run_at<E>(b.task, segment, at, hi);
    score_run(b, run);
    at = run.end;
  }
  for (int i = 0; i < b.count; ++i) {
    if (b.begin[i] < b.end[i]) weigh(b, i);
  }
  std::memset(b.partial, 0, static_cast<std::size_t>(b.count * b.value_pad) * sizeof(float));
  for (std::int64_t at = lo; at < hi;) {
    const Run<E> run = run_at<E>(b.task, segment, at, hi);
    value_run(b, run);
    at = run.end;
  }
  for (int i = 0; i < b.count; ++i) {
    if (b.begin[i] < b.end[i]) merge(b, i);
  }
}

QUIRE_INLINE std::int64_t first_key(const Attention& task, std::int64_t position) {
  std::int64_t first = 0;
  if (task.window > 0) first = larger(first, position - task.window + 1);
  if (task.chunk > 0) first = larger(first, position / task.chunk * task.chunk);
  return first;
}

// Queries [begin, begin + count) of the task, counted row by row, head by head.
template <class E>
void attention_block(const Attention& task, std::int64_t begin, int count) {
  QueryBlock<E> b{task};
  b.count = count;
  b.value_dim = task.kv.layout.value_read_dim();
  b.value_pad = value_floats(task.kv.layout);
  b.scores = task.scratch;
  b.partial = b.scores + kQueryBlock * kSegment;
  b.total = b.partial + kQueryBlock * b.value_pad;
  for (int i = 0; i < count; ++i) {
    const std::int64_t row = (begin + i) / task.heads_per_kv;
    b.head[i] =
        task.kv_head * task.heads_per_kv + static_cast<int>((begin + i) % task.heads_per_kv);
    b.q[i] = task.q + row * task.q_stride + b.head[i] * task.kv.layout.key_dim;
    b.out[i] = task.out + row * task.out_stride + b.head[i] * b.value_dim;
    b.last[i] = task.position + row;
    b.first[i] = first_key(task, b.last[i]);
  }
  const std::int64_t stop = b.last[count - 1] + 1;
  for (std::int64_t s = b.first[0] / kSegment * kSegment; s < stop; s += kSegment) segment_of(b, s);
  for (int i = 0; i < count; ++i) finish(b, i);
}

template <class E>
void attention_of(const Attention& task) {
  const std::int64_t queries = task.rows * task.heads_per_kv;
  for (std::int64_t i = 0; i < queries; i += kQueryBlock)
    attention_block<E>(task, i, static_cast<int>(smaller(kQueryBlock, queries - i)));
}

void attention(const Attention& task) {
  switch (task.kv.layout.dtype) {
    case DType::kF32:
      return attention_of<float>(task);
    case DType::kBf16:
      return attention_of<Bf16>(task);
    default:
      CHECK(false, "attention over pages of {}", dtype_name(task.kv.layout.dtype));
  }
}
