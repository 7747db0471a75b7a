// Norms, reductions and elementwise kernels: rows agree, orders and values are the contract's.
#include <algorithm>

#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

const std::int64_t kCounts[] = {1, 2, 15, 16, 17, 31, 64, 100, 257};

struct NormInputs {
  NormInputs(std::int64_t rows, std::int64_t width, std::int64_t groups, Rng& rng)
      : x(normals(rng, rows * width)), weight(normals(rng, width)), bias(normals(rng, width)) {
    task = {.x = x.data(),
            .x_stride = width,
            .y_stride = width,
            .rows = rows,
            .width = width,
            .groups = groups,
            .weight = weight.data(),
            .bias = bias.data(),
            .eps = 1e-6f,
            .weight_offset = 1.0f};
  }
  std::vector<float> run(void (*norm)(const Norm&)) {
    std::vector<float> y(x.size());
    task.y = y.data();
    norm(task);
    return y;
  }
  std::vector<float> x, weight, bias;
  Norm task;
};

TEST(NormTest, RowsAgreeAndValuesAreRight) {
  Rng rng(30);
  for (const std::int64_t count : kCounts) {
    for (const std::int64_t groups : {1, 3}) {
      for (const bool weighted : {false, true}) {
        NormInputs in(4, count * groups, groups, rng);
        if (!weighted) {
          in.task.weight = in.task.bias = nullptr;
          in.task.weight_offset = 0;
        }
        const auto rms = on_all_rows("rms", [&](const Kernels& k) { return in.run(k.rms_norm); });
        expect_close(ref::norm(in.task, ref::Centered::kNo), rms, "rms_norm");
        const auto layer =
            on_all_rows("layer", [&](const Kernels& k) { return in.run(k.layer_norm); });
        if (count > 2) expect_close(ref::norm(in.task, ref::Centered::kYes), layer, "layer_norm");
      }
    }
  }
}

float lanes(const std::vector<float>& x, float (*step)(float, float)) {
  float lane[16] = {};
  for (std::size_t i = 0; i < x.size(); ++i) lane[i % 16] = step(x[i], lane[i % 16]);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

// Oracle: the contract's formula in plain loops.
TEST(NormTest, OrderIsLanes) {
  Rng rng(31);
  for (const std::int64_t count : kCounts) {
    NormInputs in(1, count, 1, rng);
    in.task.bias = nullptr;
    const float squares = lanes(in.x, [](float v, float acc) { return std::fma(v, v, acc); });
    const float inverse = 1 / std::sqrt(squares / static_cast<float>(count) + in.task.eps);
    std::vector<float> want = in.x;
    for (std::size_t i = 0; i < want.size(); ++i)
      want[i] = want[i] * inverse * (in.weight[i] + in.task.weight_offset);
    expect_same(want, in.run(kernels(best_isa()).rms_norm), "rms order");
  }
}

TEST(NormTest, InPlaceEqualsOutOfPlace) {
  Rng rng(32);
  NormInputs in(3, 37, 1, rng);
  for (const Isa isa : present_isas()) {
    const auto want = in.run(kernels(isa).layer_norm);
    std::vector<float> x = in.x;
    Norm task = in.task;
    task.x = task.y = x.data();
    kernels(isa).layer_norm(task);
    expect_same(want, x, "in place");
  }
}

TEST(NormTest, L2DividesByTheRoot) {
  Rng rng(33);
  for (const std::int64_t count : kCounts) {
    const auto x = normals(rng, 3 * count);
    const auto got = on_all_rows("l2", [&](const Kernels& k) {
      auto y = x;
      k.l2_norm(y.data(), 3, count, 1e-6f, 0.25f);
      return y;
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t begin =
          i / static_cast<std::size_t>(count) * static_cast<std::size_t>(count);
      double squares = 1e-6f;
      for (std::size_t k = begin; k < begin + static_cast<std::size_t>(count); ++k)
        squares += double{x[k]} * x[k];
      const double want = x[i] / std::sqrt(squares) * 0.25;
      EXPECT_LE(std::fabs(got[i] - want),
                std::fabs(want) * (static_cast<double>(count) / 2 + 4) * ref::kUnit);
    }
  }
}

TEST(ReduceTest, SoftmaxAndLogSumAreRightAndAgree) {
  Rng rng(34);
  for (const std::int64_t count : kCounts) {
    const auto x = normals(rng, count, 4);
    const auto p = on_all_rows("softmax", [&](const Kernels& k) {
      auto y = x;
      k.softmax(y.data(), count);
      return y;
    });
    expect_close(ref::softmax(x.data(), count), p, "softmax");
    const auto sums = on_all_rows("log_sum", [&](const Kernels& k) {
      const LogSum s = k.log_sum(x.data(), count);
      return std::vector<float>{s.max, s.log_sum};
    });
    EXPECT_EQ(sums[0], *std::max_element(x.begin(), x.end()));
    expect_close(ref::log_sum(x.data(), count), {sums[0] + sums[1]}, "log_sum");
  }
}

// Masked logits are -inf: they weigh nothing and do not disturb the others.
TEST(ReduceTest, MinusInfinityWeighsNothing) {
  std::vector<float> x(100, -INFINITY);
  x[3] = 1.0f, x[70] = 2.0f;
  for (const Isa isa : present_isas()) {
    auto p = x;
    kernels(isa).softmax(p.data(), 100);
    EXPECT_EQ(p[0], 0.0f);
    EXPECT_NEAR(p[70], 1 / (1 + std::exp(-1.0)), 1e-6);
    EXPECT_FLOAT_EQ(p[3] + p[70], 1.0f);
  }
}

// Oracle: a scan. Duplicates, NaN and -inf at every place.
TEST(ReduceTest, ArgmaxIsTheFirstLargest) {
  Rng rng(36);
  for (const std::int64_t count : kCounts) {
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<float> x(static_cast<std::size_t>(count));
      for (float& v : x) {
        const std::uint64_t kind = rng.below(10);
        v = kind == 0 ? kNan : kind == 1 ? -INFINITY : static_cast<float>(rng.below(7)) - 8.0f;
        if (kind == 2) v = rng.below(2) == 0 ? 0.0f : -0.0f;
      }
      std::int64_t want = 0;
      bool found = false;
      for (std::int64_t i = 0; i < count; ++i) {
        const float v = x[static_cast<std::size_t>(i)];
        if (std::isnan(v) || (found && !(v > x[static_cast<std::size_t>(want)]))) continue;
        want = i;
        found = true;
      }
      for (const Isa isa : present_isas())
        ASSERT_EQ(kernels(isa).argmax(x.data(), count), want) << isa_name(isa);
    }
  }
}

TEST(ReduceTest, OneBadElementAnywhereIsFound) {
  Rng rng(37);
  for (const std::int64_t count : kCounts) {
    for (const Isa isa : present_isas()) {
      auto x = odd_floats(rng, count);
      x[0] = 0x1.fffffep127f;
      EXPECT_TRUE(kernels(isa).all_finite(x.data(), count));
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (const float bad : {kNan, INFINITY, -INFINITY}) {
          const float kept = x[i];
          x[i] = bad;
          EXPECT_FALSE(kernels(isa).all_finite(x.data(), count)) << i;
          x[i] = kept;
        }
      }
    }
  }
  EXPECT_TRUE(kernels(best_isa()).all_finite(nullptr, 0));
}

// Oracle: the formula of each, element by element.
TEST(ElementwiseTest, RowsAgreeAndFollowTheFormulas) {
  Rng rng(38);
  for (const std::int64_t count : kCounts) {
    const auto x = odd_floats(rng, count), y = odd_floats(rng, count);
    const auto n = static_cast<std::size_t>(count);
    auto want = y;
    for (std::size_t i = 0; i < n; ++i) want[i] = y[i] + x[i];
    const auto check = [&](const char* what,
                           void (*run)(const Kernels&, const float*, float*, std::int64_t)) {
      const auto got = on_all_rows(what, [&](const Kernels& k) {
        auto out = y;
        run(k, x.data(), out.data(), static_cast<std::int64_t>(out.size()));
        return out;
      });
      expect_same(want, got, what);
    };
    check("add",
          [](const Kernels& k, const float* a, float* b, std::int64_t c) { k.add(a, b, c); });
    for (std::size_t i = 0; i < n; ++i) want[i] = std::fma(0.7f, x[i], y[i]);
    check("add_scaled", [](const Kernels& k, const float* a, float* b, std::int64_t c) {
      k.add_scaled(0.7f, a, b, c);
    });
    for (std::size_t i = 0; i < n; ++i) want[i] = y[i] * x[i];
    check("multiply",
          [](const Kernels& k, const float* a, float* b, std::int64_t c) { k.multiply(a, b, c); });
    for (std::size_t i = 0; i < n; ++i) want[i] = y[i] * 0.3f;
    check("scale",
          [](const Kernels& k, const float*, float* b, std::int64_t c) { k.scale(0.3f, b, c); });
    const auto capped = on_all_rows("softcap", [&](const Kernels& k) {
      auto out = y;
      k.softcap(5.0f, out.data(), count);
      return out;
    });
    for (std::size_t i = 0; i < n; ++i)
      EXPECT_NEAR(capped[i], 5 * std::tanh(y[i] / 5.0), 5 * 4 * ref::kUnit);
  }
}

TEST(ElementwiseTest, TimesAndAliasesOfActivate) {
  Rng rng(39);
  for (const std::int64_t count : kCounts) {
    const auto x = normals(rng, count), times = normals(rng, count);
    for (const Isa isa : present_isas()) {
      std::vector<float> out(x.size()), alias_x = x, alias_times = times, plain(x.size());
      const Kernels& k = kernels(isa);
      const Activate task{Unary::kSilu, x.data(), times.data(), out.data(), count};
      k.activate(task);
      k.activate({Unary::kSilu, alias_x.data(), times.data(), alias_x.data(), count});
      k.activate({Unary::kSilu, x.data(), alias_times.data(), alias_times.data(), count});
      k.activate({Unary::kSilu, x.data(), nullptr, plain.data(), count});
      for (std::size_t i = 0; i < plain.size(); ++i) plain[i] *= times[i];
      expect_same(plain, out, "times");
      expect_same(out, alias_x, "out is x");
      expect_same(out, alias_times, "out is times");
    }
  }
}

// Oracle: the formula of the contract with std::fma; what lies past the pairs is not touched.
TEST(ElementwiseTest, RopeRotatesPairsOfEachHead) {
  Rng rng(40);
  for (const std::int64_t pairs : {1, 5, 8, 16, 20, 32, 67}) {
    for (const bool interleaved : {false, true}) {
      const std::int64_t heads = 3, stride = 2 * pairs + 5;
      const auto x = normals(rng, heads * stride), cos = normals(rng, pairs),
                 sin = normals(rng, pairs);
      auto want = x;
      for (std::int64_t h = 0; h < heads; ++h) {
        for (std::int64_t i = 0; i < pairs; ++i) {
          float& a = want[static_cast<std::size_t>(h * stride + (interleaved ? 2 * i : i))];
          float& b =
              want[static_cast<std::size_t>(h * stride + (interleaved ? 2 * i + 1 : i + pairs))];
          const float c = cos[static_cast<std::size_t>(i)], s = sin[static_cast<std::size_t>(i)];
          const float new_a = std::fma(-b, s, a * c);
          b = std::fma(a, s, b * c);
          a = new_a;
        }
      }
      const auto got = on_all_rows("rope", [&](const Kernels& k) {
        auto y = x;
        k.rope({.x = y.data(),
                .heads = heads,
                .head_stride = stride,
                .pairs = pairs,
                .interleaved = interleaved,
                .cos = cos.data(),
                .sin = sin.data()});
        return y;
      });
      expect_same(want, got, "rope");
    }
  }
}

}  // namespace
}  // namespace quire::kernels
