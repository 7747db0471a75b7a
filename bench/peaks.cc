// Loops of twelve independent sums, enough to hide the latency of each instruction.
#include "bench/peaks.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the "undefined" operands inside its own AVX-512 intrinsics for our mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace quire::bench {
namespace {

constexpr int kRounds = 1'000'000, kSums = 12;

#if defined(__x86_64__)
#define QUIRE_TWELVE(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11)
// `step` makes a new `a` of the sum `a` and of x, which the compiler cannot know.
#define QUIRE_PEAK(name, features, type, zero, step)     \
  __attribute__((target(features))) void name() {        \
    type sum[kSums], x = zero;                           \
    for (type & s : sum) s = zero;                       \
    for (int r = 0; r < kRounds; ++r) {                  \
      asm volatile("" : "+x"(x));                        \
      QUIRE_TWELVE(step)                                 \
    }                                                    \
    for (const type& s : sum) asm volatile("" ::"x"(s)); \
  }

#define QUIRE_FMA_256(i) sum[i] = _mm256_fmadd_ps(x, x, sum[i]);
#define QUIRE_MADD_256(i) sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(x, sum[i]));
#define QUIRE_FMA_512(i) sum[i] = _mm512_fmadd_ps(x, x, sum[i]);
#define QUIRE_BF16_512(i) sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)x, (__m512bh)x);
#define QUIRE_VNNI_512(i) sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
#define QUIRE_512 "avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16"
QUIRE_PEAK(fma_256, "avx2,fma", __m256, _mm256_setzero_ps(), QUIRE_FMA_256)
QUIRE_PEAK(madd_256, "avx2", __m256i, _mm256_setzero_si256(), QUIRE_MADD_256)
QUIRE_PEAK(fma_512, QUIRE_512, __m512, _mm512_setzero_ps(), QUIRE_FMA_512)
QUIRE_PEAK(bf16_512, QUIRE_512, __m512, _mm512_setzero_ps(), QUIRE_BF16_512)
QUIRE_PEAK(vnni_512, QUIRE_512, __m512i, _mm512_setzero_si512(), QUIRE_VNNI_512)
#endif

}  // namespace

std::vector<Peak> peaks(kernels::Isa isa) {
  [[maybe_unused]] constexpr double kAll = double{kRounds} * kSums * 2;
#if defined(__x86_64__)
  if (isa == kernels::Isa::kAvx512) {
    return {{"fma", kAll * 16, fma_512},
            {"vdpbf16ps", kAll * 32, bf16_512},
            {"vpdpbusd", kAll * 64, vnni_512}};
  }
  if (isa == kernels::Isa::kAvx2)
    return {{"fma", kAll * 8, fma_256}, {"vpmaddwd + vpaddd", kAll * 16, madd_256}};
#endif
  return {};
}

void read_all(std::span<const std::byte> memory) {
  // Eight sums of words, which every compiler turns into vectors.
  std::uint64_t sum[8] = {};
  for (std::size_t at = 0; at + 64 <= memory.size(); at += 64) {
    std::uint64_t line[8];
    std::memcpy(line, memory.data() + at, 64);
    for (int i = 0; i < 8; ++i) sum[i] ^= line[i];
  }
  for (const std::uint64_t s : sum) asm volatile("" ::"r"(s));
}

}  // namespace quire::bench
