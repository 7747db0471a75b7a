// Small values that the answers of several dialects show alike.
#pragma once

#include <cstdint>
#include <span>

#include "engine/output_token.h"
#include "models/load/json.h"

namespace quire::server {

// For "created".
std::int64_t unix_seconds();

// A float as it was written: 0.9, not 0.8999999761581421.
double shown(float value);

Json token_ids_json(std::span<const engine::OutputToken> tokens);

}  // namespace quire::server
