// The only user of oneTBB.
#include "base/parallel.h"

#include <tbb/parallel_for.h>

namespace quire {

void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& f) {
  tbb::parallel_for(std::int64_t{0}, count, f);
}

}  // namespace quire
