// Queries as operands, and scores as softmax weights: the parts of attention that go query by
// query. Included inside the row's namespace, after body_attention_values.h.
#pragma once

// Queries (row, head) that share one pass over the keys. Slots past `count` fill the last tile:
// they hold zeros and nobody reads what becomes of them.
struct QueryBlock {
  const Attention& task;
  int count = 0;
  float* operands = nullptr;  // by tile: [E_k / packed][queries of the tile][operand words]
  float* row = nullptr;       // [key_pad]
  float* scores = nullptr;    // [slots, kSegment]: scores, then weights as operands
  float* totals = nullptr;    // [slots, value_pad]
  float* copies = nullptr;    // values of a segment
  std::int64_t value_pad = 0;
  Span visible[kQuerySlots] = {};  // positions; then, in `seen`, tokens of the segment
  Span seen[kQuerySlots] = {};
  float factor[kQuerySlots] = {};  // of a dot product, the scale of the keys left out
  float start[kQuerySlots] = {};   // what a dot product begins with
  float peak[kQuerySlots] = {}, sum[kQuerySlots] = {};
  float keep[kQuerySlots] = {}, gain[kQuerySlots * kSums] = {};
};

// One query as operands: `row` holds them contiguously, each word goes to its place in the tile.
template <class F>
QUIRE_INLINE void pack_query(QueryBlock& b, int slot, const float* q, float* to, int queries) {
  const std::int64_t dim = b.task.kv.layout.key_dim;
  CodeScale s;
  if (F::kScaled) s = code_scale(q, dim);
  Vec codes = zero();
  for (std::int64_t d = 0; d < dim; d += kLanes) {
    Vec v = load_n(q + d, dim - d < kLanes ? static_cast<int>(dim - d) : kLanes);
    if (F::kScaled) v = s.inverse == 0 ? zero() : mul(v, splat<Vec>(s.inverse));
    const Vec put = F::put(b.row + d / F::kPacked * F::kOperandWords, v);
    if (F::kScaled) codes = add(codes, put);
  }
  b.factor[slot] = F::kScaled ? s.scale * b.task.scale : b.task.scale;
  if (F::kScaled) b.start[slot] = -128.0f * reduce_add(codes);
  const std::int64_t steps = b.task.kv.layout.key_words();
  for (std::int64_t i = 0; i < steps; ++i)
    std::memcpy(to + i * queries * F::kOperandWords, b.row + i * F::kOperandWords,
                F::kOperandWords * sizeof(float));
}

QUIRE_INLINE float exp_of(float x) { return first_lane(exp_weight(splat<Vec>(x))); }

// Scores times their factors, capped; -inf where the query does not see. Returns the maximum.
template <class F>
QUIRE_INLINE float finish_scores(const QueryBlock& b, int i, const SegmentBlocks& s) {
  const Vec lowest = splat<Vec>(-__builtin_inff());
  const Vec factor = splat<Vec>(b.factor[i]), cap = splat<Vec>(b.task.softcap);
  const Span seen = b.seen[i];
  float* scores = b.scores + i * kSegment;
  Vec peak = lowest;
  for (std::int64_t at = seen.begin / kLanes * kLanes; at < seen.end; at += kLanes) {
    Vec by = factor;
    if (F::kScaled) by = mul(load(s.key_scales[at / kLanes]), factor);
    Vec x = mul(load(scores + at), by);
    if (b.task.softcap != 0) x = softcap_v(cap, x);
    if (at + kLanes > seen.end) x = select(first_n(static_cast<int>(seen.end - at)), x, lowest);
    if (at < seen.begin) x = select(first_n(static_cast<int>(seen.begin - at)), lowest, x);
    store(scores + at, x);
    peak = max(x, peak);
  }
  return reduce_max(peak);
}

// Weights exp(score - peak) as operands; returns their sum.
template <class F>
QUIRE_INLINE float put_weights(const QueryBlock& b, int i, float peak) {
  constexpr int kWords = kLanes / F::kPacked * F::kOperandWords;
  float* scores = b.scores + i * kSegment;
  const Vec shift = splat<Vec>(peak);
  Vec sum = zero();
  for (std::int64_t at = b.seen[i].begin / kLanes * kLanes; at < b.seen[i].end; at += kLanes) {
    const Vec e = exp_weight(sub(load(scores + at), shift));
    sum = add(sum, F::put(scores + at / kLanes * kWords, e));
  }
  return reduce_add(sum);
}

// The same where values have scales: each group of blocks turns weight * scale into codes of its
// own scale, its largest / 255. gain[group] becomes that scale times `factor`.
template <class F>
QUIRE_INLINE float put_codes(QueryBlock& b, int i, float peak, float factor,
                             const SegmentBlocks& s) {
  constexpr int kWords = kLanes / F::kPacked * F::kOperandWords;
  constexpr std::int64_t kGroup = kSumBlocks<F> * kLanes;
  float* scores = b.scores + i * kSegment;
  const Span seen = b.seen[i];
  const Vec shift = splat<Vec>(peak);
  Vec sum = zero();
  std::int64_t at = seen.begin / kLanes * kLanes;
  for (std::int64_t end; at < seen.end; at = end) {
    end = smaller(seen.end, (at / kGroup + 1) * kGroup);
    Vec scaled[kSumBlocks<F>], most = zero(), together = zero();
    int n = 0;
    for (std::int64_t j = at; j < end; j += kLanes, ++n) {
      const Vec e = exp_weight(sub(load(scores + j), shift));
      sum = add(sum, e);
      Vec w = mul(e, load(s.value_scales[j / kLanes]));
      if (j + kLanes > seen.end) w = select(first_n(static_cast<int>(seen.end - j)), w, zero());
      if (j < seen.begin) w = select(first_n(static_cast<int>(seen.begin - j)), zero(), w);
      scaled[n] = w;
      most = max(w, most);
      together = add(together, w);
    }
    float largest = reduce_max(most);
    if (!all(equal(together, together))) largest = __builtin_nanf("");
    const bool none = largest < 0x1p-100f;
    b.gain[i * kSums + at / kGroup] = none ? 0.0f : largest / 255.0f * factor;
    const Vec inverse = splat<Vec>(none ? 0.0f : 255.0f / largest);
    for (int k = 0; k < n; ++k)
      F::put(scores + (at / kLanes + k) * kWords, mul(scaled[k], inverse));
  }
  return reduce_add(sum);
}

// Scores of one query become weights over blocks [begin, end) of its tile, zeros where it does not
// see, and the maximum and the sum so far move on.
template <class F>
QUIRE_INLINE void weigh(QueryBlock& b, int i, int begin, int end, const SegmentBlocks& s) {
  constexpr int kWords = kLanes / F::kPacked * F::kOperandWords;
  const Span seen = b.seen[i];
  float* weights = b.scores + i * kSegment;
  b.keep[i] = 1;
  for (int g = 0; g < kSums; ++g) b.gain[i * kSums + g] = 0;
  int from = end, to = end;  // blocks that the query sees
  if (seen.begin < seen.end) {
    const float peak = finish_scores<F>(b, i, s);
    float factor = 1;  // exp(0)
    if (peak > b.peak[i]) {
      b.keep[i] = exp_of(b.peak[i] - peak);
      b.peak[i] = peak;
    } else {
      factor = exp_of(peak - b.peak[i]);
    }
    float sum;
    if constexpr (F::kScaled) {
      sum = put_codes<F>(b, i, peak, factor, s);
    } else {
      sum = put_weights<F>(b, i, peak);
      b.gain[i * kSums] = factor;
    }
    b.sum[i] = __builtin_fmaf(sum, factor, b.sum[i] * b.keep[i]);
    from = static_cast<int>(seen.begin / kLanes);
    to = static_cast<int>((seen.end + kLanes - 1) / kLanes);
  }
  std::memset(weights + begin * kWords, 0, static_cast<std::size_t>(from - begin) * kWords * 4);
  std::memset(weights + to * kWords, 0, static_cast<std::size_t>(end - to) * kWords * 4);
}

// out = total * (keep / sum), keep from a sink that merges last; a zero is always +0.
QUIRE_INLINE void finish(const QueryBlock& b, int i, int head, float* out) {
  const float* total = b.totals + i * b.value_pad;
  const std::int64_t width = b.task.kv.layout.value_read_dim();
  float sum = b.sum[i], keep = 1;
  if (b.task.sinks != nullptr) {
    const float sink = b.task.sinks[head];
    const float peak = sink > b.peak[i] ? sink : b.peak[i];
    keep = exp_of(b.peak[i] - peak);
    sum = __builtin_fmaf(sum, keep, exp_of(sink - peak));
  }
  const Vec factor = splat<Vec>(keep / sum);
  std::int64_t e = 0;
  for (; e + kLanes <= width; e += kLanes) store(out + e, madd(load(total + e), factor, zero()));
  if (e < width)
    store_n(out + e, madd(load(total + e), factor, zero()), static_cast<int>(width - e));
}
