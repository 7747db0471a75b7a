// Data parallelism outside the step: loading, repacking, tokenizing. oneTBB behind one function.
#pragma once

#include <cstdint>
#include <functional>

namespace quire {

// Runs f(i) for i in [0, count), on the TBB pool. Not for use in a step: see base/team.h.
void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& f);

}  // namespace quire
