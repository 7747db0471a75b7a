// Fills the declared weights from the checkpoint, in parallel and without a second copy.
#pragma once

#include <cstdint>
#include <functional>

#include "base/hash.h"
#include "models/load/bind.h"
#include "models/weights.h"

namespace quire::models {

// Reads every bound weight in blocks of a MiB and packs it where `builder` allocated it.
// Returns a hash of the bytes of every binding, in binding order.
Result<Hash128> pack_weights(const Checkpoint& checkpoint, const BoundCheckpoint& bound,
                             const WeightBuilder& builder,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace quire::models
