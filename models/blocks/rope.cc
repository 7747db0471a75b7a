// Frequencies follow Transformers' rounding: powers, products and quotients in f32.
#include "models/blocks/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace quire::models {
namespace {

// theta^(2i / dims), rounded to f32.
std::vector<float> powers(double theta, int dims) {
  std::vector<float> result;
  for (int i = 0; i < dims; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dims);
    result.push_back(static_cast<float>(std::pow(theta, static_cast<double>(exponent))));
  }
  return result;
}

std::vector<float> inverse(std::vector<float> values) {
  for (float& value : values) value = 1.0f / value;
  return values;
}

RopeFrequencies scaled(const std::monostate&, const Rope& rope, std::int64_t) {
  return {inverse(powers(rope.theta, rope.dims))};
}

RopeFrequencies scaled(const RopeLinear& linear, const Rope& rope, std::int64_t) {
  RopeFrequencies result = {inverse(powers(rope.theta, rope.dims))};
  for (float& frequency : result.per_pair) frequency /= linear.factor;
  return result;
}

RopeFrequencies scaled(const RopeLlama3& llama, const Rope& rope, std::int64_t) {
  RopeFrequencies result = {inverse(powers(rope.theta, rope.dims))};
  const auto original = static_cast<float>(llama.original_positions);
  const float low_wavelength = original / llama.low_freq_factor;
  const float high_wavelength = original / llama.high_freq_factor;
  for (float& frequency : result.per_pair) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
    if (wavelength < high_wavelength) continue;
    if (wavelength > low_wavelength) {
      frequency /= llama.factor;
      continue;
    }
    const float smooth = (original / wavelength - llama.low_freq_factor) /
                         (llama.high_freq_factor - llama.low_freq_factor);
    frequency = (1 - smooth) * frequency / llama.factor + smooth * frequency;
  }
  return result;
}

// arXiv:2309.00071, section 3.4.
RopeFrequencies scaled(const RopeYarn& yarn, const Rope& rope, std::int64_t) {
  const auto dim_of = [&](double rotations) {
    return rope.dims *
           std::log(static_cast<double>(yarn.original_positions) /
                    (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = dim_of(yarn.beta_fast), high = dim_of(yarn.beta_slow);
  if (yarn.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope.dims - 1));
  if (low == high) high += 0.001;
  RopeFrequencies result = {powers(rope.theta, rope.dims), yarn.amplitude};
  int i = 0;
  for (float& value : result.per_pair) {
    const float ramp = std::clamp(
        (static_cast<float>(i++) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f,
        1.0f);
    const float keep = 1 - ramp;
    const float extrapolated = 1.0f / value, interpolated = 1.0f / (yarn.factor * value);
    value = interpolated * (1 - keep) + extrapolated * keep;
  }
  return result;
}

RopeFrequencies scaled(const RopeDynamic& dynamic, const Rope& rope, std::int64_t length) {
  const auto original = static_cast<double>(dynamic.original_positions);
  const double longest = std::max(static_cast<double>(length), original);
  const double stretch = dynamic.factor * longest / original - (dynamic.factor - 1);
  const double exponent = static_cast<double>(rope.dims) / (rope.dims - 2);
  return {inverse(powers(rope.theta * std::pow(stretch, exponent), rope.dims))};
}

RopeFrequencies scaled(const RopeLong& longrope, const Rope& rope, std::int64_t length) {
  const std::vector<float>& factors =
      length > longrope.original_positions ? longrope.long_factor : longrope.short_factor;
  RopeFrequencies result = {powers(rope.theta, rope.dims), longrope.amplitude};
  CHECK(factors.size() == result.per_pair.size(), "{} longrope factors for {} pairs",
        factors.size(), result.per_pair.size());
  for (std::size_t i = 0; i < factors.size(); ++i) {
    result.per_pair[i] = 1.0f / (factors[i] * result.per_pair[i]);
  }
  return result;
}

// 1 / n! with the sign of the Taylor series: sin has the odd n, cos the even ones.
constexpr int kTerms = 9;
constexpr std::array<double, kTerms> taylor(int first) {
  std::array<double, kTerms> terms = {};
  double factorial = 1;
  for (int term = 0; term < kTerms; ++term) {
    const int n = first + 2 * term;
    if (n > 1) factorial *= n * (n - 1);
    terms[static_cast<std::size_t>(term)] = (term % 2 == 0 ? 1.0 : -1.0) / factorial;
  }
  return terms;
}
constexpr std::array<double, kTerms> kSinTerms = taylor(1), kCosTerms = taylor(0);

// On [-pi/4, pi/4]^2; the first term left out is below 1e-17.
double series(const std::array<double, kTerms>& terms, double square) {
  double sum = terms[kTerms - 1];
  for (std::size_t term = kTerms - 1; term-- > 0;) sum = sum * square + terms[term];
  return sum;
}

}  // namespace

RopeFrequencies rope_frequencies(const Rope& rope, std::int64_t length) {
  CHECK(rope.dims > 0 && rope.dims % 2 == 0, "rope of {} dims", rope.dims);
  return std::visit([&](const auto& scaling) { return scaled(scaling, rope, length); },
                    rope.scaling);
}

std::int64_t short_length_max(const Rope& rope) {
  if (const auto* dynamic = std::get_if<RopeDynamic>(&rope.scaling)) {
    return dynamic->original_positions;
  }
  if (const auto* longrope = std::get_if<RopeLong>(&rope.scaling)) {
    return longrope->original_positions;
  }
  return std::numeric_limits<std::int64_t>::max();
}

SinCos sin_cos_f32(float angle) {
  // pi/2 as a sum of two doubles; the fma keeps the product with the quadrant exact.
  constexpr double kHalfPi = 0x1.921fb54442d18p+0, kHalfPiRest = 0x1.1a62633145c07p-54;
  const double x = angle;
  const double quadrant = std::nearbyint(x * (2 / std::numbers::pi));
  const double r = std::fma(-quadrant, kHalfPiRest, std::fma(-quadrant, kHalfPi, x));
  const double s = r * series(kSinTerms, r * r), c = series(kCosTerms, r * r);
  switch (static_cast<std::int64_t>(quadrant) & 3) {
    case 0:
      return {static_cast<float>(s), static_cast<float>(c)};
    case 1:
      return {static_cast<float>(c), static_cast<float>(-s)};
    case 2:
      return {static_cast<float>(-s), static_cast<float>(-c)};
    default:
      return {static_cast<float>(-c), static_cast<float>(s)};
  }
}

int RopeTables::add(const Rope& rope, std::int64_t context_max) {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].rope == rope) return static_cast<int>(i);
  }
  const std::int64_t short_max = short_length_max(rope);
  tables_.push_back({.rope = rope,
                     .short_max = short_max,
                     .short_text = rope_frequencies(rope, std::min(short_max, context_max)),
                     .long_text = rope_frequencies(rope, context_max)});
  return static_cast<int>(tables_.size()) - 1;
}

int RopeTables::length_class(std::int64_t length_max) const {
  return static_cast<int>(std::count_if(tables_.begin(), tables_.end(), [&](const Table& table) {
    return &table.of(length_max) == &table.long_text;
  }));
}

void RopeTables::carve(Carver& carver, int rows_max) {
  rows_.clear();
  for (Table& table : tables_) {
    const auto pairs = static_cast<std::int64_t>(table.long_text.per_pair.size());
    table.cos = carver.take<float>(rows_max * pairs);
    table.sin = carver.take<float>(rows_max * pairs);
    rows_.push_back({.cos = table.cos, .sin = table.sin, .pairs = pairs});
  }
}

void RopeTables::fill(const Step& step) const {
  if (tables_.empty()) return;
  step.team.run(static_cast<int>(step.blocks.size()), [&](int chunk) {
    const RowBlock& block = step.blocks[static_cast<std::size_t>(chunk)];
    const auto& sequence = step.input.sequences[static_cast<std::size_t>(block.sequence)];
    for (const Table& table : tables_) {
      const RopeFrequencies& of_length = table.of(sequence.length_max);
      const std::vector<float>& frequencies = of_length.per_pair;
      for (int row = 0; row < block.rows; ++row) {
        const auto position = static_cast<float>(block.position + row);
        std::size_t at = static_cast<std::size_t>(block.row + row) * frequencies.size();
        for (const float frequency : frequencies) {
          const SinCos value = sin_cos_f32(position * frequency);
          table.cos[at] = value.cos * of_length.amplitude;
          table.sin[at] = value.sin * of_length.amplitude;
          ++at;
        }
      }
    }
  });
}

void rotate(const Step& step, int rope, bool interleaved, std::int64_t row, const HeadRow& heads) {
  const RopeRows& table = step.ropes[static_cast<std::size_t>(rope)];
  step.kernels.rope({.x = heads.x,
                     .heads = heads.heads,
                     .head_stride = heads.head_stride,
                     .pairs = table.pairs,
                     .interleaved = interleaved,
                     .cos = table.cos + row * table.pairs,
                     .sin = table.sin + row * table.pairs});
}

}  // namespace quire::models
