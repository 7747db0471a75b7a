// What the words dtype and kv_cache_dtype mean for a model of a given size.
#pragma once

#include <cstdint>
#include <optional>

#include "base/dtype.h"
#include "base/error.h"
#include "engine/config.h"
#include "kernels/packed_matrix.h"

namespace quire::engine {

struct Precision {
  std::optional<DType> matrix_dtype;  // of float weights in memory; empty: as stored
  kernels::Arithmetic arithmetic = kernels::Arithmetic::kF32;
  DType kv_dtype = DType::kF32;
};

// Models with fewer parameters compute in f32 and keep f32 pages when told "auto": what the fast
// forms save there is under a millisecond a token, and their rounding is the larger for it.
inline constexpr std::int64_t kSmallModelParameters = 100'000'000;

// Error: a word that is not known, naming the field.
Status check_precision(const EngineConfig& config);
// REQUIRES: check_precision(config) is good.
Precision choose_precision(const EngineConfig& config, std::int64_t parameters);

}  // namespace quire::engine
