// exp, log and relatives: errors against double over sweeps of all exponents, and exact corners.
#include <cstdio>

#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

double ulp_of(double exact) {
  const auto rounded = static_cast<float>(std::fabs(exact));
  if (rounded < 0x1p-126f) return 0x1p-149;
  int exponent = 0;
  std::frexp(rounded, &exponent);
  return std::ldexp(1.0, exponent - 24);
}

struct Sweep {
  Unary function;
  double (*exact)(double);
  float begin, end;  // bit patterns between the two magnitudes, both signs
  double ulps_max;
};

std::vector<float> sweep_points(float begin, float end, bool negative) {
  std::vector<float> points;
  const auto last = std::bit_cast<std::uint32_t>(end);
  const auto first = std::bit_cast<std::uint32_t>(begin);
  const std::uint32_t step = (last - first) / 200000 + 1;
  for (std::uint32_t bits = first; bits <= last; bits += step)
    points.push_back(negative ? -std::bit_cast<float>(bits) : std::bit_cast<float>(bits));
  return points;
}

double worst_ulps(const Sweep& sweep, bool negative) {
  const std::vector<float> x = sweep_points(sweep.begin, sweep.end, negative);
  std::vector<float> y(x.size());
  kernels(best_isa())
      .activate({.function = sweep.function,
                 .x = x.data(),
                 .out = y.data(),
                 .count = static_cast<std::int64_t>(x.size())});
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = sweep.exact(x[i]);
    const double ulps = std::fabs(y[i] - exact) / ulp_of(exact);
    if (ulps > worst) worst = ulps;
  }
  return worst;
}

double exact_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double exact_softplus(double x) { return std::log1p(std::exp(x)); }
double exact_silu(double x) { return x / (1 + std::exp(-x)); }
double exact_exp(double x) { return std::exp(x); }
double exact_tanh(double x) { return std::tanh(x); }

// Oracle: the double functions of libm, whose own error is 2^-29 of an f32 ulp.
TEST(Math, WithinAFewUlpOfLibm) {
  const Sweep sweeps[] = {
      {Unary::kExp, exact_exp, 0x1p-30f, 87.0f, 2},
      {Unary::kTanh, exact_tanh, 0x1p-126f, 12.0f, 2},
      {Unary::kSigmoid, exact_sigmoid, 0x1p-30f, 87.0f, 2.5},
      {Unary::kSoftplus, exact_softplus, 0x1p-30f, 87.0f, 2.5},
      {Unary::kSilu, exact_silu, 0x1p-100f, 80.0f, 3},
  };
  for (const Sweep& sweep : sweeps) {
    for (const bool negative : {false, true}) {
      const double worst = worst_ulps(sweep, negative);
      EXPECT_LE(worst, sweep.ulps_max) << "function " << static_cast<int>(sweep.function)
                                       << (negative ? " negative" : " positive");
      RecordProperty(
          "function " + std::to_string(static_cast<int>(sweep.function)) + (negative ? "-" : "+"),
          std::to_string(worst));
    }
  }
}

// Near zero of 1 + tanh and 1 + erf relative error has no meaning: bound it against |x| instead.
TEST(Math, GeluWithinUlpsOfItsArgument) {
  for (const Unary function : {Unary::kGeluTanh, Unary::kGeluErf}) {
    for (const bool negative : {false, true}) {
      const std::vector<float> x = sweep_points(0x1p-60f, 20.0f, negative);
      std::vector<float> y(x.size());
      kernels(best_isa())
          .activate({.function = function,
                     .x = x.data(),
                     .out = y.data(),
                     .count = static_cast<std::int64_t>(x.size())});
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double v = x[i];
        const double exact =
            function == Unary::kGeluErf
                ? 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)))
                : 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
        ASSERT_LE(std::fabs(y[i] - exact), 3 * ulp_of(v)) << v;
      }
    }
  }
}

TEST(Math, LogWithinTwoUlpOfLibm) {
  double worst = 0;
  for (const float x : sweep_points(0x1p-149f, 0x1.fffffep127f, false)) {
    const double exact = std::log(double{x});
    worst = std::max(worst, std::fabs(log_f32(x) - exact) / ulp_of(exact));
  }
  for (const float x : sweep_points(0.5f, 2.0f, false)) {  // where the result is near 0
    const double exact = std::log(double{x});
    worst = std::max(worst, std::fabs(log_f32(x) - exact) / ulp_of(exact));
  }
  RecordProperty("log", std::to_string(worst));
  EXPECT_LE(worst, 2);
}

// Kernels run with denormals flushed: a result below the smallest normal float becomes 0.
TEST(Math, SubnormalResultsOfExpAreFlushed) {
  for (float x = -103.9f; x < -87.0f; x += 0.003f) {
    const double exact = std::exp(double{x});
    const double want = exact < 0x1p-126 ? 0 : exact;
    if (std::fabs(exact / 0x1p-126 - 1) < 0x1p-21) continue;  // either may be right
    EXPECT_LE(std::fabs(exp_f32(x) - want), 2 * 0x1p-24 * exact * (want > 0 ? 1 : 0)) << x;
  }
}

TEST(Math, ExactCorners) {
  const float infinity = INFINITY;
  EXPECT_EQ(exp_f32(0.0f), 1.0f);
  EXPECT_EQ(exp_f32(-0.0f), 1.0f);
  EXPECT_EQ(exp_f32(-infinity), 0.0f);
  EXPECT_EQ(exp_f32(-104.0f), 0.0f);
  EXPECT_EQ(exp_f32(infinity), infinity);
  EXPECT_EQ(exp_f32(89.0f), infinity);
  EXPECT_LT(exp_f32(88.72f), infinity);
  EXPECT_TRUE(std::isnan(exp_f32(kNan)));
  EXPECT_EQ(log_f32(1.0f), 0.0f);
  EXPECT_EQ(log_f32(0.0f), -infinity);
  EXPECT_EQ(log_f32(-0.0f), -infinity);
  EXPECT_EQ(log_f32(infinity), infinity);
  EXPECT_TRUE(std::isnan(log_f32(-1.0f)));
  EXPECT_TRUE(std::isnan(log_f32(kNan)));
  EXPECT_EQ(sigmoid_f32(0.0f), 0.5f);
  EXPECT_EQ(sigmoid_f32(infinity), 1.0f);
  EXPECT_EQ(sigmoid_f32(-infinity), 0.0f);
  EXPECT_EQ(softplus_f32(infinity), infinity);
  EXPECT_EQ(softplus_f32(-infinity), 0.0f);
  EXPECT_TRUE(std::isnan(softplus_f32(kNan)));
}

// Every function, NaN and infinities in each lane, every tail length: all rows agree.
TEST(Math, RowsAgreeOnEveryKindOfFloat) {
  Rng rng(3);
  std::vector<float> x(5000);
  for (float& v : x) v = std::bit_cast<float>(static_cast<std::uint32_t>(rng.bits()));
  for (std::size_t i = 0; i < 2000; ++i) x[i] = normal(rng, 5);
  x[7] = INFINITY, x[30] = -INFINITY, x[44] = kNan, x[50] = 0.0f, x[51] = -0.0f;
  for (int f = 0; f <= static_cast<int>(Unary::kTanh); ++f) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{15}, std::size_t{49}, x.size()}) {
      on_all_rows("function " + std::to_string(f), [&](const Kernels& row) {
        std::vector<float> out(count);
        row.activate({.function = static_cast<Unary>(f),
                      .x = x.data(),
                      .out = out.data(),
                      .count = static_cast<std::int64_t>(count)});
        return out;
      });
    }
  }
}

TEST(Math, NanPropagatesThroughEveryFunction) {
  for (int f = 0; f <= static_cast<int>(Unary::kTanh); ++f) {
    for (const Isa isa : present_isas()) {
      float x = kNan;
      kernels(isa).activate({.function = static_cast<Unary>(f), .x = &x, .out = &x, .count = 1});
      EXPECT_TRUE(std::isnan(x)) << f << " on " << isa_name(isa);
    }
  }
}

// The scalar functions are the vector functions.
TEST(Math, ScalarFormsHaveTheSameBits) {
  Rng rng(4);
  const struct {
    Unary function;
    float (*scalar)(float);
  } pairs[] = {
      {Unary::kExp, exp_f32}, {Unary::kSigmoid, sigmoid_f32}, {Unary::kSoftplus, softplus_f32}};
  for (const auto& pair : pairs) {
    for (int i = 0; i < 20000; ++i) {
      const float x = normal(rng, 30);
      float y = 0;
      kernels(best_isa()).activate({.function = pair.function, .x = &x, .out = &y, .count = 1});
      ASSERT_TRUE(same_bits(pair.scalar(x), y)) << x;
    }
  }
}

}  // namespace
}  // namespace quire::kernels
