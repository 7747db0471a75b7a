// Attention over pages: the contract's order, rows, chunks, page sizes, windows and poison.
#include <cstring>
#include <tuple>

#include "base/float_mode.h"
#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

struct Shape {
  KvLayout layout;
  int heads_per_kv = 1;
  std::int64_t context = 0;  // tokens written
  std::int64_t window = 0, chunk = 0;
  float softcap = 0;
  bool sinks = false;
};

// A sequence's pages in shuffled order, everything unwritten poisoned with NaN.
class Sequence {
 public:
  Sequence(const Shape& shape, std::uint64_t seed) : shape_(shape), rng_(seed) {
    const KvLayout& l = shape.layout;
    const std::int64_t pages = (shape.context + l.page_tokens - 1) / l.page_tokens;
    const std::int64_t page_bytes = l.layer_page_bytes() + 128;  // room of other layers
    memory_.assign(static_cast<std::size_t>((pages + 1) * page_bytes), std::byte{0xff});
    for (std::int64_t i = 0; i < pages; ++i) table_.push_back(static_cast<std::int32_t>(pages - i));
    kv_ = {l, memory_.data(), page_bytes, 64, table_.data()};
    k_ = normals(rng_, shape.context * l.kv_heads * l.key_dim);
    v_ = normals(rng_, shape.context * l.kv_heads * l.value_dim + 1);
    const std::int64_t heads = l.kv_heads * shape.heads_per_kv;
    q_ = normals(rng_, shape.context * heads * l.key_dim, 1.5);
    sinks_ = normals(rng_, heads);
    write(kernels(Isa::kScalar), shape.context);
  }

  void write(const Kernels& row, std::int64_t rows) {
    const KvLayout& l = shape_.layout;
    row.kv_write({.kv = kv_,
                  .k = k_.data(),
                  .k_stride = l.kv_heads * l.key_dim,
                  .v = l.value_dim == 0 ? nullptr : v_.data(),
                  .v_stride = l.kv_heads * l.value_dim,
                  .rows = rows,
                  .position = 0});
  }

  // Rows [position, position + rows) of one kv head.
  Attention task(std::int64_t position, std::int64_t rows, int kv_head) {
    const std::int64_t heads = shape_.layout.kv_heads * shape_.heads_per_kv;
    const std::int64_t width = heads * shape_.layout.key_dim;
    Attention a;
    a.kv = kv_;
    a.q = q_.data() + position * width;
    a.q_stride = width;
    a.out_stride = heads * shape_.layout.value_read_dim();
    a.rows = rows;
    a.position = position;
    a.kv_head = kv_head;
    a.heads_per_kv = shape_.heads_per_kv;
    a.scale = 1 / std::sqrt(static_cast<float>(shape_.layout.key_dim));
    a.softcap = shape_.softcap;
    a.window = shape_.window;
    a.chunk = shape_.chunk;
    a.sinks = shape_.sinks ? sinks_.data() : nullptr;
    return a;
  }

  // Output of rows [position, position + rows), all kv heads, in steps of `step` rows.
  std::vector<float> run(const Kernels& row, std::int64_t position, std::int64_t rows,
                         std::int64_t step) {
    const std::int64_t width = task(0, 0, 0).out_stride;
    std::vector<float> out(static_cast<std::size_t>(rows * width), kNan);
    for (std::int64_t r = 0; r < rows; r += step) {
      for (int h = 0; h < shape_.layout.kv_heads; ++h) {
        Attention a = task(position + r, std::min(step, rows - r), h);
        std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(a)), kNan);
        a.scratch = scratch.data();
        a.out = out.data() + r * width;
        row.attention(a);
      }
    }
    return out;
  }

  // Where the numbers of one token and head begin before they are stored.
  const float* key(std::int64_t position, int head) const {
    const KvLayout& l = shape_.layout;
    return k_.data() + (position * l.kv_heads + head) * l.key_dim;
  }
  const float* value(std::int64_t position, int head) const {
    const KvLayout& l = shape_.layout;
    if (l.value_dim == 0) return key(position, head);
    return v_.data() + (position * l.kv_heads + head) * l.value_dim;
  }

  // Fills the slot of one token with NaN.
  void poison(std::int64_t position) {
    const KvLayout& l = shape_.layout;
    std::vector<float> nan(static_cast<std::size_t>(l.kv_heads * (l.key_dim + l.value_dim)), kNan);
    kernels(Isa::kScalar)
        .kv_write({.kv = kv_,
                   .k = nan.data(),
                   .k_stride = 0,
                   .v = l.value_dim == 0 ? nullptr : nan.data(),
                   .v_stride = 0,
                   .rows = 1,
                   .position = position});
  }
  // Drops the page that holds a position, as the cache does behind a window.
  void drop_page(std::int64_t position) {
    table_[static_cast<std::size_t>(position / shape_.layout.page_tokens)] = -1;
  }
  const std::vector<std::byte>& memory() const { return memory_; }
  const std::vector<float>& sinks() const { return sinks_; }

 private:
  Shape shape_;
  Rng rng_;
  std::vector<std::byte> memory_;
  std::vector<std::int32_t> table_;
  std::vector<float> k_, v_, q_, sinks_;
  PagedKv kv_;
};

KvLayout layout(DType dtype, int kv_heads, int key_dim, int value_dim, int page_tokens) {
  KvLayout l;
  l.dtype = dtype;
  l.kv_heads = kv_heads;
  l.key_dim = key_dim;
  l.value_dim = value_dim;
  l.latent_value_dim = value_dim == 0 ? key_dim - key_dim / 4 : 0;
  l.page_tokens = page_tokens;
  return l;
}

std::vector<Shape> shapes() {
  const DType f32 = DType::kF32, bf16 = DType::kBf16, i8 = DType::kI8;
  return {{layout(f32, 2, 32, 32, 16), 2, 70},
          {layout(bf16, 1, 64, 64, 32), 4, 40},
          {layout(i8, 2, 64, 64, 32), 2, 90},
          {layout(f32, 1, 20, 12, 16), 3, 300},
          {layout(bf16, 2, 80, 72, 32), 1, 530, 100},
          {layout(i8, 1, 80, 80, 16), 3, 530, 100},
          {layout(f32, 1, 16, 48, 64), 7, 280, 0, 96},
          {layout(bf16, 1, 96, 0, 16), 5, 290},
          {layout(i8, 1, 70, 0, 32), 5, 290},
          {layout(f32, 1, 128, 128, 16), 8, 60, 17, 0, 30.0f, true},
          {layout(i8, 1, 128, 128, 16), 8, 60, 17, 0, 30.0f, true},
          {layout(f32, 1, 40, 200, 48), 25, 33, 0, 0, 5.0f},
          {layout(i8, 1, 41, 200, 48), 25, 33, 0, 0, 5.0f},
          {layout(bf16, 1, 1, 1, 16), 1, 600, 300, 0, 0, true},
          {layout(i8, 1, 1, 1, 64), 1, 600, 300, 0, 0, true},
          {layout(f32, 3, 36, 0, 32), 2, 50, 9, 16},
          {layout(bf16, 1, 40, 256, 16), 2, 100},
          {layout(i8, 1, 256, 40, 16), 1, 100}};
}

float tree(float (&lane)[16]) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

float bf16(float x) { return bf16_to_f32(f32_to_bf16(x)); }

// Numbers as a format keeps them: rounded, or codes with a scale.
struct Kept {
  std::vector<float> number;
  float scale = 1;

  Kept(DType dtype, const float* x, std::int64_t count) : number(x, x + count) {
    if (dtype == DType::kBf16)
      for (float& n : number) n = bf16(n);
    if (dtype != DType::kI8) return;
    float most = 0;
    for (const float n : number) most = std::max(most, std::fabs(n));
    scale = most / 127.0f;
    for (float& n : number) n = std::nearbyint(n * (127.0f / most));
  }
  float at(std::size_t i) const { return i < number.size() ? number[i] : 0; }
};

// One query by the words of the contract: plain loops, std::fma, our own exp.
class PlainAttention {
 public:
  PlainAttention(const Sequence& sequence, const Attention& task, int head)
      : sequence_(sequence),
        task_(task),
        head_(head),
        dtype_(task.kv.layout.dtype),
        q_(dtype_, task.q + head * task.kv.layout.key_dim, task.kv.layout.key_dim),
        out_(static_cast<std::size_t>(task.kv.layout.value_read_dim()), 0.0f) {}

  std::vector<float> run() {
    const std::int64_t p = task_.position;
    std::int64_t first = 0;
    if (task_.window > 0) first = std::max(first, p - task_.window + 1);
    if (task_.chunk > 0) first = std::max(first, p / task_.chunk * task_.chunk);
    for (std::int64_t s = first / 256 * 256; s <= p; s += 256)
      segment(s, std::max(first, s), std::min(p + 1, s + 256));
    float last = 1;
    if (task_.sinks != nullptr) {
      const float sink = task_.sinks[head_];
      const float peak = std::max(sink, peak_);
      last = exp_f32(peak_ - peak);
      sum_ = std::fma(sum_, last, exp_f32(sink - peak));
    }
    for (float& o : out_) o = std::fma(o, last / sum_, 0.0f);
    return out_;
  }

 private:
  static float weight_of(float x) { return x < -86.0f ? 0.0f : exp_f32(x); }

  void segment(std::int64_t base, std::int64_t begin, std::int64_t end) {
    float score[256], weight[256] = {}, lane[16] = {};
    float peak = -INFINITY;
    for (std::int64_t j = begin; j < end; ++j) {
      score[j - base] = score_of(j);
      peak = std::max(peak, score[j - base]);
    }
    for (std::int64_t j = begin; j < end; ++j) {
      float& w = weight[j - base];
      w = weight_of(score[j - base] - peak);
      if (dtype_ == DType::kBf16) w = bf16(w);
      lane[j % 16] += w;
    }
    const float both = std::max(peak, peak_);
    const float keep = weight_of(peak_ - both), gain = weight_of(peak - both);
    peak_ = both;
    sum_ = std::fma(tree(lane), gain, sum_ * keep);
    if (dtype_ == DType::kI8) {
      for (float& o : out_) o *= keep;
      for (std::int64_t g = 0; g < 4; ++g) add_codes(base + 64 * g, begin, end, gain, weight);
    } else {
      add_numbers(base, begin, end, {gain, keep}, weight);
    }
  }

  void add_numbers(std::int64_t base, std::int64_t begin, std::int64_t end,
                   std::pair<float, float> gain_keep, const float* weight) {
    std::vector<float> acc(out_.size(), 0.0f);
    const std::int64_t step = dtype_ == DType::kBf16 ? 2 : 1;
    for (std::int64_t j = base; j < end; j += step) {
      for (std::int64_t t = j + step - 1; t >= j; --t) {  // of a pair the odd token first
        if (t < begin || t >= end) continue;
        const Kept v(dtype_, sequence_.value(t, task_.kv_head),
                     static_cast<std::int64_t>(out_.size()));
        for (std::size_t d = 0; d < out_.size(); ++d)
          acc[d] = std::fma(weight[t - base], v.at(d), acc[d]);
      }
    }
    for (std::size_t d = 0; d < out_.size(); ++d)
      out_[d] = std::fma(acc[d], gain_keep.first, out_[d] * gain_keep.second);
  }

  void add_codes(std::int64_t group, std::int64_t begin, std::int64_t end, float gain,
                 const float* weight) {
    const KvLayout& l = task_.kv.layout;
    const std::int64_t base = group / 256 * 256;
    std::vector<float> u;
    std::vector<std::vector<float>> codes;
    for (std::int64_t j = std::max(begin, group); j < std::min(end, group + 64); ++j) {
      const Kept v(dtype_, sequence_.value(j, task_.kv_head),
                   l.value_dim == 0 ? l.key_dim : l.value_dim);
      u.push_back(weight[j - base] * v.scale);
      codes.push_back(v.number);
    }
    if (u.empty()) return;
    const float most = *std::max_element(u.begin(), u.end());
    if (most < 0x1p-100f) return;
    for (std::size_t d = 0; d < out_.size(); ++d) {
      double sum = 0;
      for (std::size_t j = 0; j < u.size(); ++j)
        sum += double{std::nearbyint(u[j] * (255.0f / most))} * codes[j][d];
      out_[d] = std::fma(static_cast<float>(sum), most / 255.0f * gain, out_[d]);
    }
  }

  float score_of(std::int64_t j) const {
    const Kept k(dtype_, sequence_.key(j, task_.kv_head), task_.kv.layout.key_dim);
    const std::size_t dim = k.number.size();
    float s = 0;
    if (dtype_ == DType::kF32) {
      for (std::size_t d = 0; d < dim; ++d) s = std::fma(q_.at(d), k.at(d), s);
    } else if (dtype_ == DType::kBf16) {
      for (std::size_t d = 0; d < dim; d += 2)
        s = std::fma(q_.at(d), k.at(d), std::fma(q_.at(d + 1), k.at(d + 1), s));
    } else {
      for (std::size_t d = 0; d < dim; ++d) s += q_.at(d) * k.at(d);  // exact: below 2^24
    }
    s *= dtype_ == DType::kI8 ? k.scale * (q_.scale * task_.scale) : task_.scale;
    if (task_.softcap == 0) return s;
    s /= task_.softcap;
    kernels(Isa::kScalar).activate({.function = Unary::kTanh, .x = &s, .out = &s, .count = 1});
    return task_.softcap * s;
  }

  const Sequence& sequence_;
  const Attention& task_;
  int head_;
  DType dtype_;
  Kept q_;
  float peak_ = -INFINITY, sum_ = 0;
  std::vector<float> out_;
};

class AttentionTest : public ::testing::Test {
  FlushDenormals flush_;
};
using KvWriteTest = AttentionTest;

TEST_F(AttentionTest, RowsAgree) {
  for (const Shape& shape : shapes()) {
    Sequence s(shape, 20);
    on_all_rows("attention",
                [&](const Kernels& row) { return s.run(row, 0, shape.context, shape.context); });
  }
}

// Oracle: the sentences of the contract as plain loops, bit for bit, on rows around the borders.
TEST_F(AttentionTest, OrderIsTheContracts) {
  for (const Shape& shape : shapes()) {
    Sequence s(shape, 21);
    for (std::int64_t p = 0; p<shape.context; p += p % 256> 250 || p % 256 < 3 ? 1 : 13) {
      for (int h = 0; h < shape.layout.kv_heads; ++h) {
        const Attention a = s.task(p, 1, h);
        const std::vector<float> out = s.run(kernels(best_isa()), p, 1, 1);
        for (int g = 0; g < shape.heads_per_kv; ++g) {
          const int head = h * shape.heads_per_kv + g;
          const std::vector<float> want = PlainAttention(s, a, head).run();
          const auto begin = out.begin() + head * static_cast<std::ptrdiff_t>(want.size());
          expect_same(want, {begin, begin + static_cast<std::ptrdiff_t>(want.size())},
                      fmt::format("position {} head {}", p, head));
        }
      }
    }
  }
}

// Oracle: exact softmax in double, bounds from the sizes of the sums.
TEST_F(AttentionTest, ValueIsRight) {
  for (const Shape& shape : shapes()) {
    Sequence s(shape, 22);
    for (int h = 0; h < shape.layout.kv_heads; ++h) {
      const std::int64_t rows = std::min<std::int64_t>(shape.context, 20);
      Attention a = s.task(shape.context - rows, rows, h);
      const std::vector<float> all = s.run(kernels(best_isa()), a.position, rows, rows);
      std::vector<float> got;
      const std::int64_t group = shape.heads_per_kv * shape.layout.value_read_dim();
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto begin = all.begin() + r * a.out_stride + h * group;
        got.insert(got.end(), begin, begin + group);
      }
      expect_close(ref::attention(a), got, "attention");
    }
  }
}

TEST_F(AttentionTest, ChunkingOfRowsLeavesNoTrace) {
  for (const Shape& shape : shapes()) {
    Sequence s(shape, 23);
    for (const Isa isa : present_isas()) {
      if (isa == Isa::kScalar) continue;  // equal to the others by RowsAgree, and slow
      const auto whole = s.run(kernels(isa), 0, shape.context, shape.context);
      for (const std::int64_t step : {1, 7, 64})
        expect_same(whole, s.run(kernels(isa), 0, shape.context, step), fmt::format("by {}", step));
    }
  }
}

TEST_F(AttentionTest, PageSizeLeavesNoTrace) {
  for (Shape shape : shapes()) {
    shape.layout.page_tokens = 16;
    const auto want = Sequence(shape, 24).run(kernels(best_isa()), 0, shape.context, 50);
    for (const int tokens : {32, 48, 64, 256, 1024}) {
      shape.layout.page_tokens = tokens;
      expect_same(want, Sequence(shape, 24).run(kernels(best_isa()), 0, shape.context, 50),
                  fmt::format("pages of {}", tokens));
    }
  }
}

// Windows that begin at, before and behind segment and page borders; every key outside holds NaN
// and the pages behind are gone from the table.
TEST_F(AttentionTest, WhatIsNotVisibleIsNotTouched) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI8}) {
    for (const std::int64_t window : {1, 2, 15, 16, 17, 100, 255, 256, 257, 300}) {
      for (const std::int64_t p : {254, 255, 256, 257, 300, 511, 512, 530}) {
        Shape shape{layout(dtype, 1, 24, 40, 16), 2, 540, window};
        Sequence clean(shape, 25), poisoned(shape, 25);
        const std::int64_t first = std::max<std::int64_t>(0, p - window + 1);
        for (std::int64_t j = 0; j < shape.context; ++j)
          if (j < first || j > p) poisoned.poison(j);
        for (std::int64_t j = 0; j + 16 <= first; j += 16) poisoned.drop_page(j);
        for (const Isa isa : present_isas())
          expect_same(clean.run(kernels(isa), p, 1, 1), poisoned.run(kernels(isa), p, 1, 1),
                      fmt::format("window {} at {}", window, p));
      }
    }
  }
}

// The slots after the last written token hold NaN bits (0xff) from the start.
TEST_F(AttentionTest, UnwrittenSlotsOfTheLastPageDoNotMatter) {
  const Shape shape{layout(DType::kBf16, 1, 32, 32, 64), 1, 5};
  Sequence s(shape, 26);
  for (const Isa isa : present_isas())
    for (const float x : s.run(kernels(isa), 0, 5, 5)) EXPECT_TRUE(std::isfinite(x));
}

// One visible key: weight exp(0) / exp(0) = 1, so the output is that value itself.
TEST_F(AttentionTest, OneVisibleKeyIsReturnedExactly) {
  Shape shape{layout(DType::kF32, 1, 32, 40, 16), 1, 300, 1};
  Sequence s(shape, 27);
  for (const Isa isa : present_isas()) {
    for (const std::int64_t p : {0, 255, 256, 299}) {
      const auto out = s.run(kernels(isa), p, 1, 1);
      for (std::size_t d = 0; d < out.size(); ++d) EXPECT_EQ(out[d], s.value(p, 0)[d]);
    }
  }
}

TEST_F(KvWriteTest, RowsAgreeAndRoundAsBaseDoes) {
  for (const Shape& shape : shapes()) {
    Sequence want(shape, 28);
    for (const Isa isa : present_isas()) {
      Sequence got(shape, 28);
      got.write(kernels(isa), shape.context);
      ASSERT_EQ(want.memory().size(), got.memory().size());
      EXPECT_EQ(std::memcmp(want.memory().data(), got.memory().data(), want.memory().size()), 0);
    }
  }
}

TEST_F(KvWriteTest, NanInfinityAndTiesRoundAlikeOnEveryRow) {
  Rng rng(29);
  std::vector<float> k(16 * 33);
  for (float& x : k) x = std::bit_cast<float>(static_cast<std::uint32_t>(rng.bits()));
  k[0] = kNan, k[1] = INFINITY, k[2] = -INFINITY, k[3] = 0x1.010000p0f, k[4] = 0x1.030000p0f;
  k[5] = 0x1.fffffep127f, k[6] = std::bit_cast<float>(0x7f800001u);
  KvLayout l = layout(DType::kBf16, 1, 33, 0, 16);
  for (const Isa isa : present_isas()) {
    std::vector<std::byte> memory(static_cast<std::size_t>(l.layer_page_bytes()));
    const std::int32_t table = 0;
    kernels(isa).kv_write({.kv = {l, memory.data(), l.layer_page_bytes(), 0, &table},
                           .k = k.data(),
                           .k_stride = 33,
                           .rows = 16});
    for (std::size_t i = 0; i < k.size(); ++i) {
      std::uint16_t bits = 0;
      const auto slot = static_cast<std::int64_t>(i / 33), d = static_cast<std::int64_t>(i % 33);
      std::memcpy(&bits, memory.data() + l.key_offset(0, slot, d), 2);
      EXPECT_EQ(bits, f32_to_bf16(k[i])) << i << " on " << isa_name(isa);
    }
  }
}

}  // namespace
}  // namespace quire::kernels
