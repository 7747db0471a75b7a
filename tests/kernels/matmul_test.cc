// Packed products: rows agree, the order is the contract's, the value is right.
#include "tests/kernels/matmul_support.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quire::kernels {
namespace {

struct Case {
  std::int64_t rows, n, k;
};

// One product: weights, prepared activations, bias and what y holds before.
struct Inputs {
  Inputs(const Case& c, const PackedFormat& format, Arithmetic arithmetic, Rng& rng,
         bool odd = false)
      : w(make_weights(format, c.n, c.k, rng, odd)),
        x(odd ? odd_floats(rng, c.rows * c.k) : normals(rng, c.rows * c.k)),
        prepared(form_for(format, arithmetic), x, c.rows, c.k, kernels(Isa::kScalar)),
        bias(normals(rng, c.n)),
        y(normals(rng, c.rows * c.n)) {
    task = {.x = prepared.view(),
            .rows = c.rows,
            .w = &w.view,
            .bias = bias.data(),
            .y_stride = c.n,
            .panel_end = w.view.panels()};
  }
  Weights w;
  std::vector<float> x;
  Prepared prepared;
  std::vector<float> bias, y;
  Matmul task;
};

std::vector<float> run(const Kernels& row, Matmul task, std::vector<float> y) {
  task.y = y.data();
  row.matmul(task);
  return y;
}

const Case kCases[] = {{1, 16, 8},   {1, 1, 1},    {1, 70, 33},  {2, 33, 17},  {3, 16, 40},
                       {4, 70, 256}, {5, 48, 31},  {7, 31, 64},  {8, 64, 20},  {9, 100, 11},
                       {12, 47, 7},  {13, 17, 3},  {25, 96, 5},  {40, 65, 50}, {6, 34, 384},
                       {11, 20, 96}, {17, 40, 48}, {1, 50, 768}, {3, 40, 129}, {10, 33, 200}};

template <class F>
void for_each_product(Rng& rng, bool odd, F f) {
  for (const Case& c : kCases) {
    for (const PackedFormat& format : formats_for(c.k)) {
      for (const Arithmetic arithmetic : {Arithmetic::kF32, Arithmetic::kFast}) {
        if (arithmetic == Arithmetic::kFast && form_for(format, arithmetic) == ActivationForm{})
          continue;
        f(Inputs(c, format, arithmetic, rng, odd), c,
          fmt::format("{}x{}x{} {} {}", c.rows, c.n, c.k, name_of(format),
                      arithmetic == Arithmetic::kF32 ? "f32" : "fast"));
      }
    }
  }
}

TEST(Matmul, RowsAgreeOnOddShapesAndOddFloats) {
  Rng rng(10);
  for_each_product(rng, true, [](Inputs in, const Case&, const std::string& what) {
    for (const Store store : {Store::kSet, Store::kAdd}) {
      for (const bool with_bias : {false, true}) {
        in.task.store = store;
        in.task.bias = with_bias ? in.bias.data() : nullptr;
        on_all_rows(what, [&](const Kernels& row) { return run(row, in.task, in.y); });
      }
    }
  });
}

// int8 products of many rows call for memory while they compute; the others wait for memory
// themselves and call for nothing. The bits are the same.
TEST(Matmul, ManyRowsReadAhead) {
  Rng rng(19);
  const std::vector<std::byte> memory(1 << 16);
  const std::vector<const std::byte*> pieces = {memory.data(), memory.data() + 64};
  for (const PackedFormat& format : formats_for(256)) {
    if (form_for(format, Arithmetic::kFast).kind != ActivationForm::Kind::kInt8) continue;
    for (const std::int64_t rows : {1, 16, 40}) {
      const Inputs in({rows, 70, 256}, format, Arithmetic::kFast, rng);
      for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
        if (!isa_supported(isa)) continue;
        ReadAhead ahead;
        ahead.aim(pieces, 128, 4096);
        Matmul task = in.task;
        task.read_ahead = &ahead;
        expect_same(run(kernels(isa), in.task, in.y), run(kernels(isa), task, in.y),
                    name_of(format));
        const auto next = ahead.take();
        const bool untouched = !next.empty() && next.data() == memory.data() + 128;
        EXPECT_EQ(untouched, rows == 1) << name_of(format) << " " << rows << isa_name(isa);
      }
    }
  }
}

// A NaN of the input reaches every output of its row, and no other row.
TEST(Matmul, NanStaysInItsRow) {
  Rng rng(18);
  const Case c{6, 33, 128};
  for (const PackedFormat& format : formats_for(c.k)) {
    for (const Arithmetic arithmetic : {Arithmetic::kF32, Arithmetic::kFast}) {
      Inputs in(c, format, arithmetic, rng);
      in.x[static_cast<std::size_t>(2 * c.k + 77)] = kNan;
      in.x[static_cast<std::size_t>(4 * c.k + 5)] = std::numeric_limits<float>::infinity();
      const Prepared x(in.task.x.form, in.x, c.rows, c.k, kernels(Isa::kScalar));
      in.task.x = x.view();
      const auto y =
          on_all_rows(name_of(format), [&](const Kernels& row) { return run(row, in.task, in.y); });
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t t = i / static_cast<std::size_t>(c.n);
        EXPECT_EQ(std::isfinite(y[i]), t != 2 && t != 4) << name_of(format);
        EXPECT_TRUE(t != 2 || std::isnan(y[i])) << name_of(format);
      }
    }
  }
}

float bf16_at(const std::byte* row, std::int64_t k) {
  std::uint16_t bits;
  std::memcpy(&bits, row + 2 * k, sizeof(bits));
  return bf16_to_f32(bits);
}

// The sentences of the contract, one sum.
float ordered_sum(const Inputs& in, std::int64_t t, std::int64_t n) {
  const Weights& w = in.w;
  const std::byte* row = in.task.x.row(t);
  float acc = 0;
  if (in.task.x.form.kind == ActivationForm::Kind::kF32) {
    for (std::int64_t k = 0; k < w.cols; ++k)
      acc = std::fma(in.x[static_cast<std::size_t>(t * w.cols + k)], w.at(n, k), acc);
    return acc;
  }
  if (in.task.x.form.kind == ActivationForm::Kind::kBf16) {
    for (std::int64_t k = 0; k < w.cols; k += 2) {
      const float second = k + 1 < w.cols ? w.at(n, k + 1) : 0.0f;
      acc = std::fma(bf16_at(row, k), w.at(n, k), std::fma(bf16_at(row, k + 1), second, acc));
    }
    return acc;
  }
  const std::int64_t group = in.task.x.form.group, groups = (w.cols + group - 1) / group;
  std::vector<float> numbers(static_cast<std::size_t>(2 * groups));
  std::memcpy(numbers.data(), row + int8_codes_bytes(w.cols), numbers.size() * 4);
  for (std::int64_t g = 0; g < groups; ++g) {
    int dot = 0;
    for (std::int64_t k = g * group; k < std::min(w.cols, (g + 1) * group); ++k)
      dot += w.code(n, k) * static_cast<std::int8_t>(row[k]);
    const float scale = numbers[static_cast<std::size_t>(g)];
    const float scaled_sum = numbers[static_cast<std::size_t>(groups + g)];
    if (w.biases.empty()) {
      acc = std::fma(static_cast<float>(dot), scale, acc);
    } else {
      const std::size_t i = w.group_idx(n, g * group);
      acc = std::fma(static_cast<float>(dot), w.scales[i] * scale, acc);
      acc = std::fma(w.biases[i], scaled_sum, acc);
    }
  }
  return w.biases.empty() ? acc * w.scales[static_cast<std::size_t>(n)] : acc;
}

// Oracle: the sentences of the contract as loops of std::fma, bit for bit.
TEST(Matmul, OrderIsTheContracts) {
  Rng rng(11);
  for_each_product(rng, false, [](Inputs in, const Case& c, const std::string& what) {
    in.task.store = Store::kAdd;
    std::vector<float> want = in.y;
    for (std::int64_t t = 0; t < c.rows; ++t)
      for (std::int64_t n = 0; n < c.n; ++n)
        want[static_cast<std::size_t>(t * c.n + n)] +=
            ordered_sum(in, t, n) + in.bias[static_cast<std::size_t>(n)];
    expect_same(want, run(kernels(best_isa()), in.task, in.y), what);
  });
}

// Oracle: double sums over the very weights and activations; bound K u sum|x w|.
TEST(Matmul, ValueIsRight) {
  Rng rng(12);
  for_each_product(rng, false, [](Inputs in, const Case&, const std::string& what) {
    in.task.y = in.y.data();
    in.task.store = Store::kAdd;
    const ref::Estimate want = ref::matmul(in.task);
    expect_close(want, run(kernels(best_isa()), in.task, in.y), what);
  });
}

void expect_splits_agree(const Inputs& in, const Case& c, const Kernels& row,
                         const std::string& what) {
  const std::vector<float> whole = run(row, in.task, in.y);
  std::vector<float> alone = in.y;
  for (std::int64_t t = 0; t < c.rows; ++t) {
    Matmul one = in.task;
    one.rows = 1;
    one.x.data += t * one.x.stride_bytes;
    one.y = alone.data() + t * c.n;
    row.matmul(one);
  }
  expect_same(whole, alone, what + " row by row");
  for (const std::int64_t width : {1, 2, 3, 4, 5}) {
    std::vector<float> split = in.y;
    for (std::int64_t p = 0; p < in.w.view.panels(); p += width) {
      Matmul part = in.task;
      part.y = split.data();
      part.panel_begin = p;
      part.panel_end = std::min(p + width, in.w.view.panels());
      row.matmul(part);
    }
    expect_same(whole, split, what + " panel split");
  }
}

// One row computed alone, and any split of the panels, equals the whole.
TEST(Matmul, ARowDoesNotSeeItsNeighboursNorThePanelSplit) {
  Rng rng(13);
  for (const Case& c : {Case{29, 150, 37}, Case{21, 150, 64}}) {
    for (const PackedFormat& format : formats_for(c.k)) {
      for (const Arithmetic arithmetic : {Arithmetic::kF32, Arithmetic::kFast}) {
        const Inputs in(c, format, arithmetic, rng);
        for (const Isa isa : present_isas())
          expect_splits_agree(in, c, kernels(isa), name_of(format));
      }
    }
  }
}

// Memory past the row of y, and columns of other panels, stay as they were.
TEST(Matmul, WritesNothingOutsideItsPanels) {
  Rng rng(14);
  const Case c{5, 40, 8};
  for (const PackedFormat& format : formats_for(c.k)) {
    for (const Isa isa : present_isas()) {
      Inputs in(c, format, Arithmetic::kFast, rng);
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
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bf16,avx512vl"))) void pair_product(const float* acc,
                                                                         const std::uint32_t* a,
                                                                         const std::uint32_t* b,
                                                                         float* out) {
  const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b);
  __m512bh left, right;
  std::memcpy(&left, &x, sizeof(left));
  std::memcpy(&right, &y, sizeof(right));
  _mm512_storeu_ps(out, _mm512_dpbf16_ps(_mm512_loadu_ps(acc), left, right));
}

// The contract of the bf16 form is what vdpbf16ps does. Oracle: two std::fma of each lane.
TEST(Matmul, Bf16InstructionIsTwoFlushedFma) {
  if (!isa_supported(Isa::kAvx512)) GTEST_SKIP() << "no AVX-512 with BF16 on this machine";
  Rng rng(17);
  for (int round = 0; round < 20000; ++round) {
    std::uint32_t a[16], b[16];
    float got[16];
    std::vector<float> acc = odd_floats(rng, 16), want;
    for (int i = 0; i < 16; ++i) {
      // Any bits at all, and values whose products come near the sum.
      a[i] = static_cast<std::uint32_t>(rng.bits());
      b[i] = static_cast<std::uint32_t>(rng.bits());
      if (round % 2 == 0) {
        a[i] = f32_to_bf16(normal(rng)) | std::uint32_t{f32_to_bf16(normal(rng))} << 16;
        b[i] = f32_to_bf16(normal(rng)) | std::uint32_t{f32_to_bf16(normal(rng))} << 16;
      }
      const auto half = [](std::uint32_t pair, int h) {
        return bf16_to_f32(static_cast<std::uint16_t>(pair >> (16 * h)));
      };
      want.push_back(
          std::fma(half(a[i], 0), half(b[i], 0),
                   std::fma(half(a[i], 1), half(b[i], 1), acc[static_cast<std::size_t>(i)])));
    }
    pair_product(acc.data(), a, b, got);
    expect_same(want, std::vector<float>(got, got + 16),
                "vdpbf16ps of this processor is not two fma in this order: the avx512 row would "
                "differ from the others");
  }
}
#endif

}  // namespace
}  // namespace quire::kernels
