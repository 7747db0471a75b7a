// Fork-join by a generation counter. A spinning worker sees it within 0.3 us; a sleeping one costs
// one futex wake (about 25 us), paid once after an idle time and not once a region.
#include "base/team.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "base/check.h"
#include "base/float_mode.h"

namespace quire {
namespace {

// About 100 us on the machines at hand: longer than the gaps between regions of one step.
constexpr int kSpins = 4000;
// While the host has taken a processor away, the waiting side gives the other one back.
constexpr int kSpinsBeforeYield = 2000;

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, seen, nullptr,
          nullptr, 0);
}

void futex_wake_all(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
          nullptr, 0);
}

void pin_worker(std::thread& thread, int worker, int threads) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (CPU_COUNT(&allowed) < threads) return;
  int seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    if (seen++ != worker) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(thread.native_handle(), sizeof one, &one);
    return;
  }
}

template <class Done>
void spin_until(const Done& done) {
  for (int spins = 0; !done(); ++spins) {
    if (spins < kSpinsBeforeYield) {
      _mm_pause();
    } else {
      sched_yield();
    }
  }
}

}  // namespace

Team::Team(int threads) {
  CHECK(threads >= 1, "threads {}", threads);
  for (int worker = 1; worker < threads; ++worker) {
    workers_.emplace_back([this, worker] { work(worker); });
    pin_worker(workers_.back(), worker, threads);
  }
}

Team::~Team() {
  stop_.store(true);
  generation_.fetch_add(1);
  futex_wake_all(generation_);
  for (std::thread& worker : workers_) worker.join();
}

void Team::run(int chunks, ChunkFunction f) {
  ++regions_;
  if (workers_.empty() || chunks <= 1) {
    for (int chunk = 0; chunk < chunks; ++chunk) f(chunk);
    return;
  }
  function_ = &f;
  chunks_ = chunks;
  next_chunk_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);  // sequentially consistent, so that a worker going to sleep is seen
  if (sleepers_.load() > 0) futex_wake_all(generation_);
  take_chunks();
  spin_until([&] { return busy_.load(std::memory_order_acquire) == 0; });
  function_ = nullptr;
}

// Chunks are handed out in order, so that a thread that waits for a phase waits only for chunks
// which other threads are running.
void Team::run_phases(std::initializer_list<Phase> phases) {
  CHECK(phases.size() <= kPhasesMax, "{} phases, at most {}", phases.size(), kPhasesMax);
  int chunks = 0;
  for (const Phase& phase : phases) chunks += phase.chunks;
  for (Counter& done : done_) done.value.store(0, std::memory_order_relaxed);
  run(chunks, [&](int chunk) {
    std::size_t i = 0;
    for (; chunk >= phases.begin()[i].chunks; ++i) {
      chunk -= phases.begin()[i].chunks;
      spin_until([&] {
        return done_[i].value.load(std::memory_order_acquire) == phases.begin()[i].chunks;
      });
    }
    phases.begin()[i].f(chunk);
    // Nobody waits for the last phase but the region's end; a count costs a line between threads.
    if (i + 1 < phases.size()) done_[i].value.fetch_add(1, std::memory_order_release);
  });
}

void Team::take_chunks() {
  for (;;) {
    const int chunk = next_chunk_.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= chunks_) return;
    (*function_)(chunk);
  }
}

void Team::work(int /*worker*/) {
  const FlushDenormals flush;
  std::uint32_t seen = 0;
  for (;;) {
    int spins = 0;
    while (generation_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        _mm_pause();
        continue;
      }
      sleepers_.fetch_add(1);
      if (generation_.load() == seen) futex_wait(generation_, seen);
      sleepers_.fetch_sub(1);
      spins = 0;
    }
    ++seen;
    if (stop_.load()) return;
    take_chunks();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace quire
