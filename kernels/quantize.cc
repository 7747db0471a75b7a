// Loops over fixed lanes that any compiler turns into vectors, with the rounding of MLX.
#include "kernels/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"

namespace quire::kernels {
namespace {

constexpr int kLanes = 8;

// Adding it to |x| < 2^22 rounds x to the nearest integer, ties to even.
constexpr float kRound = 0x1.8p23f;

struct Range {
  float min, max;
};

// The extremes; their order of comparison cannot matter, NaN is skipped.
Range range_of(const float* w, int group) {
  float low[kLanes], high[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    low[i] = std::numeric_limits<float>::infinity();
    high[i] = -std::numeric_limits<float>::infinity();
  }
  for (int k = 0; k < group; k += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      low[i] = w[k + i] < low[i] ? w[k + i] : low[i];
      high[i] = high[i] < w[k + i] ? w[k + i] : high[i];
    }
  }
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes)};
}

bool all_finite(const float* w, int group) {
  std::uint32_t found = 0;
  for (int k = 0; k < group; ++k) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(w[k]) & 0x7fffffffu;
    found |= magnitude >= 0x7f800000u ? 1u : 0u;
  }
  return found == 0;
}

// Eight codes of kBits each to the eight bytes of a word.
template <int kBits>
std::uint64_t spread(std::uint64_t v) {
  constexpr std::uint64_t kOne = (1ull << kBits) - 1;
  constexpr std::uint64_t kPair = (1ull << 2 * kBits) - 1;
  constexpr std::uint64_t kFour = (1ull << 4 * kBits) - 1;
  constexpr std::uint64_t kPairs = kPair << 32 | kPair;
  constexpr std::uint64_t kOnes = kOne << 48 | kOne << 32 | kOne << 16 | kOne;
  v = (v & kFour) | (v >> 4 * kBits & kFour) << 32;
  v = (v & kPairs) | (v >> 2 * kBits & kPairs) << 16;
  return (v & kOnes) | (v >> kBits & kOnes) << 8;
}

// The words of eight codes each; all but the last are read with bytes of the next ones.
template <int kBits>
void unpack(const std::byte* stream, std::int64_t count, std::uint8_t* codes) {
  const std::int64_t bytes = code_stream_bytes(kBits, count);
  const auto put = [&](std::int64_t k, std::uint64_t word) {
    word = spread<kBits>(word);
    std::memcpy(codes + k, &word, sizeof word);
  };
  std::int64_t k = 0, at = 0;
  for (; at + 8 <= bytes; k += 8, at += kBits) {
    std::uint64_t word;
    std::memcpy(&word, stream + at, sizeof word);
    put(k, word);
  }
  for (; k < count; k += 8, at += kBits) {
    std::uint64_t word = 0;
    std::memcpy(&word, stream + at, kBits);
    put(k, word);
  }
}

}  // namespace

AffineGroup quantize_affine(const float* w, int group, int bits, std::uint8_t* codes) {
  CHECK(group > 0 && group % 8 == 0 && bits >= 2 && bits <= 8, "groups of {}, {} bits", group,
        bits);
  constexpr float kScaleMin = 1e-7f;
  const float steps = static_cast<float>((1 << bits) - 1);
  const auto [low, high] = range_of(w, group);
  const bool from_low = std::fabs(low) > std::fabs(high);
  float scale = std::max((high - low) / steps, kScaleMin);
  if (!from_low) scale = -scale;
  const float edge = from_low ? low : high;
  const float edge_code = std::rint(edge / scale);
  float bias = 0;
  if (edge_code != 0) {
    scale = edge / edge_code;
    bias = edge;
  }
  if (!all_finite(w, group)) {
    std::fill_n(codes, group, std::uint8_t{0});
    return {std::numeric_limits<float>::quiet_NaN(), 0};
  }
  for (int k = 0; k < group; ++k) {
    const float code = ((w[k] - bias) / scale + kRound) - kRound;
    const float above = code > 0 ? code : 0.0f;
    codes[k] = static_cast<std::uint8_t>(static_cast<int>(above < steps ? above : steps));
  }
  return {scale, bias};
}

void unpack_codes(const std::byte* stream, int bits, std::int64_t count, std::uint8_t* codes) {
  switch (bits) {
    case 2:
      return unpack<2>(stream, count, codes);
    case 3:
      return unpack<3>(stream, count, codes);
    case 4:
      return unpack<4>(stream, count, codes);
    case 5:
      return unpack<5>(stream, count, codes);
    case 6:
      return unpack<6>(stream, count, codes);
    case 8:
      return unpack<8>(stream, count, codes);
    default:
      CHECK(false, "codes of {} bits", bits);
  }
}

float widened(const std::byte* data, DType dtype, std::int64_t index) {
  if (dtype == DType::kF32) {
    float value;
    std::memcpy(&value, data + index * 4, sizeof value);
    return value;
  }
  CHECK(dtype == DType::kBf16 || dtype == DType::kF16, "an array of {}", dtype_name(dtype));
  std::uint16_t bits;
  std::memcpy(&bits, data + index * 2, sizeof bits);
  return dtype == DType::kBf16 ? bf16_to_f32(bits) : f16_to_f32(bits);
}

void dequantize_rows(const AffineSource& source, int group, DType scale_dtype, float* out) {
  CHECK(group > 0 && group % 8 == 0 && source.cols % group == 0, "groups of {} in {} columns",
        group, source.cols);
  const std::int64_t groups = source.rows * source.cols / group;
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(group));
  for (std::int64_t g = 0; g < groups; ++g) {
    unpack_codes(source.codes + g * code_stream_bytes(source.bits, group), source.bits, group,
                 codes.data());
    const float scale = widened(source.scales, scale_dtype, g);
    const float bias = widened(source.biases, scale_dtype, g);
    for (std::size_t k = 0; k < codes.size(); ++k) {
      out[g * group + static_cast<std::int64_t>(k)] =
          std::fma(static_cast<float>(codes[k]), scale, bias);
    }
  }
}

}  // namespace quire::kernels
