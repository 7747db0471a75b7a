// What a list of measured values came to, and its JSON.
#pragma once

#include <string>
#include <vector>

namespace quire::bench {

// All zero for an empty list. Percentiles interpolate between the two neighbours.
struct Distribution {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};
Distribution distribution_of(std::vector<double> values);

// {"mean":..., "p50":..., "p90":..., "p99":..., "max":...}
std::string json_of(const Distribution& d);

// A line of a table: the name, then mean, p50, p90, p99 and max; and the line above.
std::string table_row(const char* name, const Distribution& d);
std::string table_head(const char* unit);

}  // namespace quire::bench
