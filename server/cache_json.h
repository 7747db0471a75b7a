// Counters of the page pools and of the prefix cache, as every endpoint that tells them shows them.
#pragma once

#include "cache/cache_manager.h"
#include "models/load/json.h"

namespace quire::server {

Json pool_json(const cache::PoolStats& pool);

// query_tokens, hit_tokens and miss_tokens by reason.
void add_prefix_totals(const cache::CacheStats& stats, Json& body);

}  // namespace quire::server
