// The worker team that runs the kernels of a step: pinned threads, bounded spin, then futex sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace quire {

// Non-owning reference to a callable void(int chunk), free of allocation.
class ChunkFunction {
 public:
  template <class F>
  ChunkFunction(const F& f)  // NOLINT: implicit on purpose
      : object_(&f),
        call_([](const void* object, int chunk) { (*static_cast<const F*>(object))(chunk); }) {}
  void operator()(int chunk) const { call_(object_, chunk); }

 private:
  const void* object_;
  void (*call_)(const void*, int);
};

// One owner thread calls run(); it is worker 0. Chunks are handed out dynamically, so results must
// not depend on which worker runs a chunk. Regions do not nest. An idle team sleeps in the kernel.
// Workers flush denormal floats; so must the owner (base/float_mode.h).
class Team {
 public:
  // threads >= 1. Pins worker i to the i-th allowed processor when the machine has enough of them.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs f(0) ... f(chunks - 1), each exactly once, and returns when all are done.
  void run(int chunks, ChunkFunction f);

  // Runs the phases in one region: the chunks of a phase begin when all of those before are done.
  struct Phase {
    int chunks = 0;
    ChunkFunction f;
  };
  static constexpr int kPhasesMax = 4;
  void run_phases(std::initializer_list<Phase> phases);

  // Parallel regions since the start, for metrics and benchmarks.
  std::uint64_t regions() const { return regions_; }

 private:
  void work(int worker);
  void take_chunks();

  std::vector<std::thread> workers_;
  const ChunkFunction* function_ = nullptr;
  int chunks_ = 0;
  std::uint64_t regions_ = 0;
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<int> next_chunk_{0};
  alignas(64) std::atomic<int> busy_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  struct alignas(64) Counter {
    std::atomic<int> value{0};
  };
  Counter done_[kPhasesMax];  // chunks of each phase of the region
  std::atomic<bool> stop_{false};
};

}  // namespace quire
