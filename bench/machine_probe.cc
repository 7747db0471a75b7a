// Loops over memory and registers that find what the machine gives.
#include "bench/machine_probe.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <thread>

#include "base/check.h"

namespace quire::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = std::size_t{512} << 20;  // beyond every cache
constexpr int kReadSweeps = 12;
constexpr int kPingPongs = 20'000;
constexpr int kPeakLoops = 1'000'000;
constexpr int kPeakRepeats = 8;
constexpr int kChains = 12;  // independent sums: latency times rate of every instruction here

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

// Runs f(0) ... f(n - 1) on n pinned threads that start together; returns the seconds.
double run_together(const std::vector<int>& processors, const std::function<void(int)>& f) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < processors.size(); ++i) {
    threads.emplace_back([&, i] {
      pin(processors[i]);
      ready.fetch_add(1);
      while (!go.load(std::memory_order_acquire)) _mm_pause();
      f(static_cast<int>(i));
    });
  }
  while (ready.load() < static_cast<int>(processors.size())) std::this_thread::yield();
  const auto begin = Clock::now();
  go.store(true, std::memory_order_release);
  for (std::thread& thread : threads) thread.join();
  return seconds_since(begin);
}

__attribute__((target("avx2"))) std::uint64_t read_all(const std::byte* data, std::size_t bytes) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (std::size_t i = 0; i + 128 <= bytes; i += 128) {
    const auto* at = reinterpret_cast<const __m256i*>(data + i);
    a = _mm256_or_si256(a, _mm256_load_si256(at));
    b = _mm256_or_si256(b, _mm256_load_si256(at + 1));
    c = _mm256_or_si256(c, _mm256_load_si256(at + 2));
    d = _mm256_or_si256(d, _mm256_load_si256(at + 3));
  }
  const __m256i all = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
  return static_cast<std::uint64_t>(_mm256_extract_epi64(all, 0));
}

std::atomic<std::uint64_t> g_sink{0};  // keeps reads and sums alive

// Each runs its instruction (sequence) kPeakLoops times on each of kChains sums, which are
// variables of their own so that they stay in registers. The empty asm keeps the compiler from
// folding them.
#define QUIRE_CHAINS(X) X(a) X(b) X(c) X(d) X(e) X(f) X(g) X(h) X(i) X(j) X(k) X(l)
#define QUIRE_DECLARE(sum) auto sum = x;
#define QUIRE_STEP(sum) \
  sum = QUIRE_OP(sum);  \
  asm volatile("" : "+x"(sum));
#define QUIRE_PEAK(name, isa, zero)                    \
  __attribute__((target(isa), noinline)) void name() { \
    auto x = zero, y = zero;                           \
    asm volatile("" : "+x"(x), "+x"(y));               \
    QUIRE_CHAINS(QUIRE_DECLARE)                        \
    for (int loop = 0; loop < kPeakLoops; ++loop) {    \
      QUIRE_CHAINS(QUIRE_STEP)                         \
    }                                                  \
  }

#define QUIRE_OP(sum) _mm256_fmadd_ps(x, y, sum)
QUIRE_PEAK(fma_f32_ymm, "avx2,fma", _mm256_setzero_ps())
#undef QUIRE_OP
#define QUIRE_OP(sum) _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, sum), y))
QUIRE_PEAK(madd_u8_ymm, "avx2", _mm256_setzero_si256())
#undef QUIRE_OP
#define QUIRE_OP(sum) _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, sum))
QUIRE_PEAK(maddubs_add_ymm, "avx2", _mm256_setzero_si256())
#undef QUIRE_OP
#define QUIRE_OP(sum) _mm512_fmadd_ps(x, y, sum)
QUIRE_PEAK(fma_f32_zmm, "avx512f", _mm512_setzero_ps())
#undef QUIRE_OP
#define QUIRE_OP(sum) _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)y)
QUIRE_PEAK(dpbf16_zmm, "avx512f,avx512bf16", _mm512_setzero_ps())
#undef QUIRE_OP
#define QUIRE_OP(sum) _mm512_dpbusd_epi32(sum, x, y)
QUIRE_PEAK(dpbusd_zmm, "avx512f,avx512vnni", _mm512_setzero_si512())
#undef QUIRE_OP

struct Peak {
  const char* name;
  void (*run)();
  int operations;  // multiplications and additions of one instruction (sequence)
  bool (*available)();
};

bool always() { return true; }
bool has_avx512() { return __builtin_cpu_supports("avx512f"); }
bool has_bf16() { return __builtin_cpu_supports("avx512bf16"); }
bool has_vnni() { return __builtin_cpu_supports("avx512vnni"); }

constexpr Peak kPeaks[] = {
    {"f32_avx2", fma_f32_ymm, 16, always},      {"int8_avx2", madd_u8_ymm, 64, always},
    {"int4_avx2", maddubs_add_ymm, 64, always}, {"f32_avx512", fma_f32_zmm, 32, has_avx512},
    {"bf16_avx512", dpbf16_zmm, 64, has_bf16},  {"int8_avx512", dpbusd_zmm, 128, has_vnni},
};

}  // namespace

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CHECK(::sched_getaffinity(0, sizeof set, &set) == 0, "sched_getaffinity");
  std::vector<int> out;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) out.push_back(i);
  }
  return out;
}

MachineProbe::MachineProbe(std::vector<int> processors) : processors_(std::move(processors)) {
  void* data =
      ::mmap(nullptr, kReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(data != MAP_FAILED, "mmap of {} bytes", kReadBytes);
  ::madvise(data, kReadBytes, MADV_HUGEPAGE);
  memory_ = static_cast<std::byte*>(data);
  std::fill(memory_, memory_ + kReadBytes, std::byte{1});
}

MachineProbe::~MachineProbe() { ::munmap(memory_, kReadBytes); }

Bandwidth MachineProbe::read_bandwidth() const {
  const std::size_t part = kReadBytes / processors_.size() / 4096 * 4096;
  std::vector<double> rates;
  for (int sweep = 0; sweep < kReadSweeps; ++sweep) {
    const double seconds = run_together(processors_, [&](int i) {
      g_sink += read_all(memory_ + static_cast<std::size_t>(i) * part, part);
    });
    rates.push_back(static_cast<double>(part * processors_.size()) / seconds * 1e-9);
  }
  std::sort(rates.begin(), rates.end());
  return {rates[rates.size() / 2], rates.back()};
}

double MachineProbe::ping_pong_ns() const {
  if (processors_.size() < 2) return 0;
  alignas(64) std::atomic<int> turn{0};
  const double seconds = run_together({processors_[0], processors_[1]}, [&](int id) {
    for (int i = id; i < 2 * kPingPongs; i += 2) {
      while (turn.load(std::memory_order_acquire) != i) _mm_pause();
      turn.store(i + 1, std::memory_order_release);
    }
  });
  return seconds / kPingPongs * 1e9;
}

std::vector<std::string_view> MachineProbe::peak_names() {
  std::vector<std::string_view> names;
  for (const Peak& peak : kPeaks) {
    if (peak.available()) names.push_back(peak.name);
  }
  return names;
}

double MachineProbe::peak_gop_s(std::string_view name) const {
  const auto peak = std::find_if(std::begin(kPeaks), std::end(kPeaks),
                                 [&](const Peak& p) { return p.name == name; });
  if (peak == std::end(kPeaks) || !peak->available()) return 0;
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < kPeakRepeats; ++i) {
    best = std::min(best, run_together(processors_, [&](int) { peak->run(); }));
  }
  const double operations = static_cast<double>(kPeakLoops) * kChains * peak->operations *
                            static_cast<double>(processors_.size());
  return operations / best * 1e-9;
}

}  // namespace quire::bench
