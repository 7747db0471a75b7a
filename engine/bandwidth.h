// How fast this machine reads memory with the engine's own threads: the limit of a decode step.
#pragma once

#include <cstddef>

#include "engine/model_runner.h"

namespace quire::engine {

inline constexpr std::size_t kBandwidthProbeBytes = std::size_t{128} << 20;

// Bytes per second, the best of a few passes over a block of that size; about a tenth of a second.
double measure_read_bandwidth(ModelRunner& runner, std::size_t bytes = kBandwidthProbeBytes);

}  // namespace quire::engine
