// The names are those of /v1/cache/stats; the live view adds to them.
#include "server/cache_json.h"

namespace quire::server {

Json pool_json(const cache::PoolStats& pool) {
  return {{"total", pool.total},
          {"referenced", pool.referenced},
          {"cached", pool.cached},
          {"free", pool.free}};
}

void add_prefix_totals(const cache::CacheStats& stats, Json& body) {
  body["query_tokens"] = stats.query_tokens;
  body["hit_tokens"] = stats.hit_tokens;
  body["miss_tokens"] = {{"cold", stats.miss_cold},
                         {"evicted", stats.miss_evicted},
                         {"state", stats.miss_state},
                         {"window", stats.miss_window}};
}

}  // namespace quire::server
