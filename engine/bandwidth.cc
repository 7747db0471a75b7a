// Plain loads in long runs, as the weights are read.
#include "engine/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/arena.h"
#include "base/clock.h"

namespace quire::engine {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
constexpr int kPasses = 3;

std::uint64_t read_all(const std::uint64_t* words, std::size_t count) {
  std::uint64_t a = 0, b = 0, c = 0, d = 0;
  for (std::size_t i = 0; i + 4 <= count; i += 4) {
    a += words[i];
    b += words[i + 1];
    c += words[i + 2];
    d += words[i + 3];
  }
  return a + b + c + d;
}

}  // namespace

double measure_read_bandwidth(ModelRunner& runner, std::size_t bytes) {
  const std::size_t chunks = std::max<std::size_t>(1, bytes / kChunkBytes);
  const Arena arena(chunks * kChunkBytes);
  auto* const words = reinterpret_cast<std::uint64_t*>(arena.data());
  constexpr std::size_t kChunkWords = kChunkBytes / sizeof(std::uint64_t);
  const auto chunk_at = [&](int chunk) {
    return words + static_cast<std::size_t>(chunk) * kChunkWords;
  };
  runner.run(static_cast<int>(chunks), [&](int chunk) {
    std::fill_n(chunk_at(chunk), kChunkWords, static_cast<std::uint64_t>(chunk));
  });
  std::atomic<std::uint64_t> sum{0};  // so that the loads are needed
  const SteadyClock clock;
  Time best = Time::max();
  for (int pass = 0; pass < kPasses; ++pass) {
    const Time begin = clock.now();
    runner.run(static_cast<int>(chunks),
               [&](int chunk) { sum += read_all(chunk_at(chunk), kChunkWords); });
    best = std::min(best, clock.now() - begin);
  }
  const double seconds = sum == 0 && chunks > 1 ? 0 : to_seconds(best);
  return seconds > 0 ? static_cast<double>(chunks * kChunkBytes) / seconds : 0;
}

}  // namespace quire::engine
