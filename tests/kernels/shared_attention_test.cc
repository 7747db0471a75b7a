// Attention over shared pages against the same rows one by one, bit for bit.
// Sequences fork from one another at random pages; the oracle is attention() of each row alone,
// which attention_test.cc holds to its contract. Slots behind a sequence's end hold NaN.
#include <algorithm>
#include <cstring>

#include "base/float_mode.h"
#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

struct Shape {
  DType dtype = DType::kF32;
  int heads_per_kv = 1, key_dim = 0, value_dim = 0;  // value_dim 0: latent
  int page_tokens = 16;
  float softcap = 0;
  bool sinks = false;
};

constexpr int kKvHeads = 2;

class Forest {
 public:
  Forest(const Shape& shape, int rows, std::uint64_t seed) : shape_(shape), rng_(seed) {
    KvLayout& l = kv_.layout;
    l.dtype = shape.dtype;
    l.kv_heads = kKvHeads;
    l.key_dim = shape.key_dim;
    l.value_dim = shape.value_dim;
    l.latent_value_dim = shape.value_dim == 0 ? shape.key_dim - shape.key_dim / 4 : 0;
    l.page_tokens = shape.page_tokens;
    kv_.page_bytes = l.layer_page_bytes() + 64;
    for (int i = 0; i < rows; ++i) grow();
    kv_.base = memory_.data();
    const std::int64_t heads = kKvHeads * shape.heads_per_kv;
    q_ = normals(rng_, rows * heads * shape.key_dim, 1.5);
    sinks_ = normals(rng_, heads);
  }

  std::vector<float> alone(const Kernels& row) {
    return run([&](Attention& task, float*) {
      for (std::size_t r = 0; r < tables_.size(); ++r) {
        Attention one = task;
        one.kv.table = tables_[r].data();
        one.q += static_cast<std::int64_t>(r) * task.q_stride;
        one.out += static_cast<std::int64_t>(r) * task.out_stride;
        one.rows = 1;
        one.position = positions_[r];
        row.attention(one);
      }
    });
  }

  std::vector<float> together(const Kernels& row) {
    std::vector<SharedAttention::Row> rows;
    for (std::size_t r = 0; r < tables_.size(); ++r)
      rows.push_back({static_cast<std::int64_t>(r), positions_[r], tables_[r].data()});
    std::vector<SharedAttention::Piece> pieces;
    cut(0, static_cast<int>(rows.size()), 0, pieces);
    shared_pieces_ +=
        std::count_if(pieces.begin(), pieces.end(), [](const auto& p) { return p.rows > 1; });
    return run([&](Attention& task, float*) {
      row.shared_attention({.common = task, .rows = rows, .pieces = pieces});
    });
  }

  std::int64_t shared_pieces() const { return shared_pieces_; }

 private:
  // A sequence that goes the way of an earlier one for some pages, and then its own.
  void grow() {
    std::vector<std::int32_t> table;
    const std::int64_t tokens = 1 + static_cast<std::int64_t>(rng_.below(700));
    const auto pages =
        static_cast<std::size_t>((tokens + shape_.page_tokens - 1) / shape_.page_tokens);
    if (!tables_.empty() && rng_.below(5) != 0) {
      const auto& other =
          tables_[tables_.size() - 1 - rng_.below(std::min<std::size_t>(tables_.size(), 2))];
      // Its last page, which is not full, stays its own.
      table.assign(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                      rng_.below(other.size()), pages - 1)));
    }
    const std::size_t kept = table.size();
    while (table.size() < pages) table.push_back(pages_++);
    memory_.resize(static_cast<std::size_t>(pages_ * kv_.page_bytes), std::byte{0xff});
    const std::int64_t from = static_cast<std::int64_t>(kept) * shape_.page_tokens;
    const std::int64_t end = static_cast<std::int64_t>(pages) * shape_.page_tokens;
    write(table, from, rng_.below(2) == 0 ? tokens : end);
    positions_.push_back(tokens - 1);
    tables_.push_back(table);
  }

  void write(const std::vector<std::int32_t>& table, std::int64_t from, std::int64_t end) {
    if (end <= from) return;
    const KvLayout& l = kv_.layout;
    const auto k = normals(rng_, (end - from) * kKvHeads * l.key_dim);
    const auto v = normals(rng_, (end - from) * kKvHeads * l.value_dim + 1);
    PagedKv kv = kv_;
    kv.base = memory_.data();
    kv.table = table.data();
    kernels(Isa::kScalar)
        .kv_write({.kv = kv,
                   .k = k.data(),
                   .k_stride = kKvHeads * l.key_dim,
                   .v = l.value_dim == 0 ? nullptr : v.data(),
                   .v_stride = kKvHeads * l.value_dim,
                   .rows = end - from,
                   .position = from});
  }

  // Blocks of the rows [begin, end) from `from` on that all of them read in the same place and
  // behind which each still has a token; then the groups that differ.
  void cut(int begin, int end, std::int64_t from, std::vector<SharedAttention::Piece>& pieces) {
    const auto at = [&](int row, std::int64_t token) {
      return tables_[static_cast<std::size_t>(row)]
                    [static_cast<std::size_t>(token / shape_.page_tokens)];
    };
    const auto position = [&](int row) { return positions_[static_cast<std::size_t>(row)]; };
    if (end - begin == 1) return pieces.push_back({begin, 1, from, position(begin) + 1});
    std::int64_t to = from;
    const auto all_share = [&] {
      for (int r = begin; r < end; ++r)
        if (to + 16 > position(r) || at(r, to) != at(begin, to)) return false;
      return true;
    };
    while (all_share()) to += 16;
    if (to > from) pieces.push_back({begin, end - begin, from, to});
    for (int r = begin, next; r < end; r = next) {
      next = r + 1;
      while (next < end && to + 16 <= position(r) && to + 16 <= position(next) &&
             at(r, to) == at(next, to))
        ++next;
      cut(r, next, to, pieces);
    }
  }

  template <class Run>
  std::vector<float> run(const Run& run) {
    const std::int64_t heads = kKvHeads * shape_.heads_per_kv;
    const std::int64_t width = heads * kv_.layout.value_read_dim();
    std::vector<float> out(tables_.size() * static_cast<std::size_t>(width), kNan);
    for (int head = 0; head < kKvHeads; ++head) {
      Attention a;
      a.kv = kv_;
      a.q = q_.data();
      a.q_stride = heads * shape_.key_dim;
      a.out = out.data();
      a.out_stride = width;
      a.kv_head = head;
      a.heads_per_kv = shape_.heads_per_kv;
      a.scale = 1 / std::sqrt(static_cast<float>(shape_.key_dim));
      a.softcap = shape_.softcap;
      a.sinks = shape_.sinks ? sinks_.data() : nullptr;
      std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(a)), kNan);
      a.scratch = scratch.data();
      run(a, scratch.data());
    }
    return out;
  }

  Shape shape_;
  Rng rng_;
  PagedKv kv_;
  std::vector<std::byte> memory_;
  std::int32_t pages_ = 0;
  std::vector<std::vector<std::int32_t>> tables_;
  std::vector<std::int64_t> positions_;
  std::vector<float> q_, sinks_;
  std::int64_t shared_pieces_ = 0;
};

std::vector<Shape> shapes() {
  std::vector<Shape> shapes;
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI8}) {
    shapes.push_back({dtype, 2, 64, 64, 16});
    shapes.push_back({dtype, 1, 40, 24, 32});
    shapes.push_back({dtype, 3, 33, 80, 16, 20.0f});
    shapes.push_back({dtype, 5, 72, 0, 48});
    shapes.push_back({dtype, 7, 16, 40, 16, 0, true});
  }
  return shapes;
}

TEST(SharedAttentionTest, RowsTogetherAreRowsAlone) {
  const FlushDenormals flush;
  std::int64_t shared = 0;
  for (const Shape& shape : shapes()) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      const int most = SharedAttention::kQueriesMax / shape.heads_per_kv;
      const int rows = seed == 0 ? std::min(most, 24) : 2 + static_cast<int>(seed) % (most - 1);
      Forest forest(shape, rows, 40 + seed);
      const auto want = forest.alone(kernels(best_isa()));
      for (const Isa isa : present_isas()) {
        if (isa == Isa::kScalar && seed > 1) continue;  // slow
        expect_same(
            want, forest.together(kernels(isa)),
            fmt::format("{} {} heads, seed {}", dtype_name(shape.dtype), shape.heads_per_kv, seed));
      }
      shared += forest.shared_pieces();
    }
  }
  EXPECT_GT(shared, 500);
}

}  // namespace
}  // namespace quire::kernels
