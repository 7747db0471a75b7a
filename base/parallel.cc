// The only user of oneTBB.
#include "base/parallel.h"

#if defined(__SANITIZE_THREAD__)
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>
#else
#include <tbb/parallel_for.h>
#endif

namespace quire {

#if defined(__SANITIZE_THREAD__)

// The thread sanitizer does not see what orders threads inside oneTBB's library, which is not
// instrumented, and calls every result read behind the loop a race. Plain threads, which it sees
// whole, run the same bodies here: what it reports then is a race of theirs.
void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& f) {
  constexpr std::int64_t kThreadsMax = 4;
  std::atomic<std::int64_t> next{0};
  const auto work = [&] {
    for (std::int64_t i; (i = next.fetch_add(1)) < count;) f(i);
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 1; i < std::min(count, kThreadsMax); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

#else

void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& f) {
  tbb::parallel_for(std::int64_t{0}, count, f);
}

#endif

}  // namespace quire
