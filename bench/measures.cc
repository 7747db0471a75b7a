// Percentiles, as numbers, JSON and lines of a table.
#include "bench/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace quire::bench {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - static_cast<double>(low));
}

}  // namespace

Distribution distribution_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {sum / static_cast<double>(values.size()), quantile(values, 0.5), quantile(values, 0.9),
          quantile(values, 0.99), values.back()};
}

std::string json_of(const Distribution& d) {
  return fmt::format(
      "{{\"mean\":{:.4f},\"p50\":{:.4f},\"p90\":{:.4f},\"p99\":{:.4f},\"max\":{:.4f}}}", d.mean,
      d.p50, d.p90, d.p99, d.max);
}

std::string table_row(const char* name, const Distribution& d) {
  return fmt::format("{:<26}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}\n", name, d.mean, d.p50,
                     d.p90, d.p99, d.max);
}

std::string table_head(const char* unit) {
  return fmt::format("{:<26}{:>10}{:>10}{:>10}{:>10}{:>10}\n", unit, "mean", "p50", "p90", "p99",
                     "max");
}

}  // namespace quire::bench
