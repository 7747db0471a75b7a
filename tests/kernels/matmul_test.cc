// Packed products: rows agree, the order is the contract's, the value is right, packing is exact.
#include <cstring>
#include <memory>

#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

struct Packed {
  std::vector<float> source;  // [N, K] as stored, widened
  std::vector<std::byte> storage;
  PackedMatrix view;
};

std::vector<std::byte> stored(const std::vector<float>& values, DType dtype) {
  const auto bytes = static_cast<std::size_t>(dtype_bytes(dtype));
  std::vector<std::byte> out(values.size() * bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits = std::bit_cast<std::uint32_t>(values[i]);
    if (dtype == DType::kBf16) bits = f32_to_bf16(values[i]);
    if (dtype == DType::kF16) bits = f32_to_f16(values[i]);
    std::memcpy(out.data() + i * bytes, &bits, bytes);
  }
  return out;
}

Packed pack(const std::vector<float>& values, std::int64_t rows, std::int64_t cols, DType dtype) {
  Packed p;
  p.storage.resize(packed_bytes(dtype, rows, cols) + 64);
  void* aligned = p.storage.data();
  std::size_t space = p.storage.size();
  std::align(64, p.storage.size() - 64, aligned, space);
  auto* data = static_cast<std::byte*>(aligned);
  const auto source = stored(values, dtype);
  pack_rows({source.data(), dtype, rows, cols, cols, 1}, 0, rows, dtype, data);
  p.view = {data, dtype, rows, cols};
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t k = 0; k < cols; ++k)
      p.source.push_back(static_cast<float>(ref::weight_at(p.view, n, k)));
  return p;
}

struct Case {
  std::int64_t rows, n, k;
};

struct Inputs {
  Inputs(const Case& c, DType dtype, Rng& rng, bool odd = false)
      : w(pack(odd ? odd_floats(rng, c.n * c.k) : normals(rng, c.n * c.k), c.n, c.k, dtype)),
        x(odd ? odd_floats(rng, c.rows * (c.k + 3)) : normals(rng, c.rows * (c.k + 3))),
        bias(normals(rng, c.n)),
        y(normals(rng, c.rows * c.n)) {
    task = {.x = x.data(),
            .x_stride = c.k + 3,
            .rows = c.rows,
            .w = &w.view,
            .bias = bias.data(),
            .y_stride = c.n,
            .panel_end = w.view.panels()};
  }
  Packed w;
  std::vector<float> x, bias, y;
  Matmul task;
};

std::vector<float> run(const Kernels& row, Matmul task, std::vector<float> y) {
  task.y = y.data();
  row.matmul(task);
  return y;
}

const Case kCases[] = {{1, 16, 8},  {1, 1, 1},   {1, 70, 33}, {2, 33, 17},  {3, 16, 40},
                       {4, 130, 9}, {5, 48, 31}, {7, 31, 64}, {8, 64, 20},  {9, 100, 11},
                       {12, 47, 7}, {13, 17, 3}, {25, 96, 5}, {40, 129, 50}};
const DType kDTypes[] = {DType::kF32, DType::kBf16, DType::kF16};

TEST(Matmul, RowsAgreeOnOddShapesAndOddFloats) {
  Rng rng(10);
  for (const Case& c : kCases) {
    for (const DType dtype : kDTypes) {
      for (const Store store : {Store::kSet, Store::kAdd}) {
        for (const bool with_bias : {false, true}) {
          Inputs in(c, dtype, rng, true);
          in.task.store = store;
          if (!with_bias) in.task.bias = nullptr;
          on_all_rows(fmt::format("{}x{}x{} {}", c.rows, c.n, c.k, dtype_name(dtype)),
                      [&](const Kernels& row) { return run(row, in.task, in.y); });
        }
      }
    }
  }
}

// Oracle: the sentence of the contract as a loop of std::fma, bit for bit.
TEST(Matmul, OrderIsSequentialOverK) {
  Rng rng(11);
  for (const Case& c : kCases) {
    for (const DType dtype : kDTypes) {
      Inputs in(c, dtype, rng);
      in.task.store = Store::kAdd;
      std::vector<float> want = in.y;
      for (std::int64_t t = 0; t < c.rows; ++t) {
        for (std::int64_t n = 0; n < c.n; ++n) {
          float acc = 0;
          for (std::int64_t k = 0; k < c.k; ++k)
            acc = std::fma(in.x[static_cast<std::size_t>(t * in.task.x_stride + k)],
                           in.w.source[static_cast<std::size_t>(n * c.k + k)], acc);
          want[static_cast<std::size_t>(t * c.n + n)] += acc + in.bias[static_cast<std::size_t>(n)];
        }
      }
      expect_same(want, run(kernels(best_isa()), in.task, in.y), "order");
    }
  }
}

// Oracle: double sums; bound K u sum|x w|.
TEST(Matmul, ValueIsRight) {
  Rng rng(12);
  for (const Case& c : kCases) {
    for (const DType dtype : kDTypes) {
      Inputs in(c, dtype, rng);
      in.task.y = in.y.data();
      in.task.store = Store::kAdd;
      const ref::Estimate want = ref::matmul(in.task);
      expect_close(want, run(kernels(best_isa()), in.task, in.y), "matmul");
    }
  }
}

// One row computed alone, and any split of the panels, equals the whole.
TEST(Matmul, ARowDoesNotSeeItsNeighboursNorThePanelSplit) {
  Rng rng(13);
  for (const DType dtype : kDTypes) {
    const Case c{29, 150, 37};
    Inputs in(c, dtype, rng);
    for (const Isa isa : present_isas()) {
      const Kernels& row = kernels(isa);
      const std::vector<float> whole = run(row, in.task, in.y);
      std::vector<float> alone = in.y;
      for (std::int64_t t = 0; t < c.rows; ++t) {
        Matmul one = in.task;
        one.rows = 1;
        one.x += t * one.x_stride;
        one.y = alone.data() + t * c.n;
        row.matmul(one);
      }
      expect_same(whole, alone, "row by row");
      for (const std::int64_t width : {1, 2, 3, 4, 5}) {
        std::vector<float> split = in.y;
        for (std::int64_t p = 0; p < in.w.view.panels(); p += width) {
          Matmul part = in.task;
          part.y = split.data();
          part.panel_begin = p;
          part.panel_end = std::min(p + width, in.w.view.panels());
          row.matmul(part);
        }
        expect_same(whole, split, "panel split");
      }
    }
  }
}

// Memory past the row of y, and columns of other panels, stay as they were.
TEST(Matmul, WritesNothingOutsideItsPanels) {
  Rng rng(14);
  const Case c{5, 40, 8};
  for (const Isa isa : present_isas()) {
    Inputs in(c, DType::kF32, rng);
    std::vector<float> y(static_cast<std::size_t>(c.rows * 50), 7.0f);
    in.task.y = y.data();
    in.task.y_stride = 50;
    in.task.panel_begin = 1;
    kernels(isa).matmul(in.task);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t column = i % 50;
      EXPECT_EQ(y[i] == 7.0f, column < 16 || column >= 40) << i;
    }
  }
}

TEST(Pack, RowsInPartsEqualTheWholeAndGatherReadsThemBack) {
  Rng rng(15);
  const std::int64_t rows = 53, cols = 19;
  for (const DType dtype : kDTypes) {
    const auto values = normals(rng, rows * cols);
    const Packed whole = pack(values, rows, cols, dtype);
    std::vector<std::byte> parts(packed_bytes(dtype, rows, cols));
    const auto source = stored(values, dtype);
    for (std::int64_t n = 0; n < rows; n += 9) {
      const std::int64_t count = std::min<std::int64_t>(9, rows - n);
      pack_rows({source.data() + n * cols * dtype_bytes(dtype), dtype, count, cols, cols, 1}, n,
                rows, dtype, parts.data());
    }
    EXPECT_EQ(std::memcmp(parts.data(), whole.view.data, parts.size()), 0);
    for (const Isa isa : present_isas()) {
      std::vector<float> got(static_cast<std::size_t>(cols));
      for (std::int64_t n = 0; n < rows; ++n) {
        kernels(isa).gather_row(whole.view, n, got.data());
        for (std::int64_t k = 0; k < cols; ++k)
          EXPECT_EQ(got[static_cast<std::size_t>(k)],
                    whole.source[static_cast<std::size_t>(n * cols + k)]);
      }
    }
  }
}

TEST(Pack, ConvertsAndTransposes) {
  Rng rng(16);
  const std::int64_t rows = 5, cols = 7;
  const auto values = normals(rng, rows * cols);  // [cols, rows]: read transposed
  std::vector<std::byte> target(packed_bytes(DType::kBf16, rows, cols));
  pack_rows({reinterpret_cast<const std::byte*>(values.data()), DType::kF32, rows, cols, 1, rows},
            0, rows, DType::kBf16, target.data());
  const PackedMatrix w{target.data(), DType::kBf16, rows, cols};
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t k = 0; k < cols; ++k) {
      const float value = values[static_cast<std::size_t>(k * rows + n)];
      EXPECT_EQ(ref::weight_at(w, n, k), bf16_to_f32(f32_to_bf16(value)));
    }
  }
}

}  // namespace
}  // namespace quire::kernels
