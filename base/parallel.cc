// The only user of oneTBB.
#include "base/parallel.h"

#include <tbb/parallel_for.h>

#include <atomic>

namespace quire {

// The atomics order what oneTBB orders already, where thread sanitizers can see it: the library is
// not built with them.
void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& f) {
  std::atomic<bool> begun{false};
  std::atomic<std::int64_t> ended{0};
  begun.store(true, std::memory_order_release);
  tbb::parallel_for(std::int64_t{0}, count, [&](std::int64_t i) {
    (void)begun.load(std::memory_order_acquire);
    f(i);
    ended.fetch_add(1, std::memory_order_release);
  });
  (void)ended.load(std::memory_order_acquire);
}

}  // namespace quire
