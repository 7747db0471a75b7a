// Heaps and quickselect over candidates; integer masses make every cut exact.
#include "engine/token_select.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/kernels.h"

namespace quire::engine {
namespace {

__extension__ using Wide = unsigned __int128;

// A share of 1 as a multiple of 2^-32; exact for the floats that matter (above 2^-8).
std::uint64_t fixed_share(float share) {
  return static_cast<std::uint64_t>(static_cast<double>(share) * 0x1p32);
}

// Better first: (value descending, id ascending).
struct Better {
  const float* values;
  bool operator()(std::int32_t a, std::int32_t b) const {
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  }
};

// For k up to this a heap that is scanned against is faster than quickselect over all ids.
constexpr std::int64_t kHeapMax = 1024;

void top_ids_by_heap(const Better& better, std::int64_t count, std::int64_t k,
                     std::vector<std::int32_t>& ids) {
  // Worst on top. A later id with the same value never replaces an earlier one.
  float worst = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < count; ++i) {
    if (!(better.values[i] > worst)) continue;
    const auto id = static_cast<std::int32_t>(i);
    if (static_cast<std::int64_t>(ids.size()) == k) {
      std::pop_heap(ids.begin(), ids.end(), better);
      ids.back() = id;
    } else {
      ids.push_back(id);
    }
    std::push_heap(ids.begin(), ids.end(), better);
    if (static_cast<std::int64_t>(ids.size()) == k) worst = better.values[ids.front()];
  }
  std::sort_heap(ids.begin(), ids.end(), better);
}

void top_ids_by_select(const Better& better, std::int64_t count, std::int64_t k,
                       std::vector<std::int32_t>& ids) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::isinf(better.values[i])) continue;
    ids.push_back(static_cast<std::int32_t>(i));
  }
  if (static_cast<std::int64_t>(ids.size()) > k) {
    std::nth_element(ids.begin(), ids.begin() + k, ids.end(), better);
    ids.resize(static_cast<std::size_t>(k));
  }
  std::sort(ids.begin(), ids.end(), better);
}

// Keeps the shortest prefix in `less` order with a mass of at least share * total: quickselect
// that carries the mass before the searched range.
template <class Less>
void keep_mass(std::vector<Candidate>& candidates, float share, const Less& less) {
  const Wide limit = static_cast<Wide>(total_weight(candidates)) * fixed_share(share);
  // Element i of the order stays exactly when (mass before i) * 2^32 < limit, or i is the first.
  auto low = candidates.begin();
  auto high = candidates.end();
  std::uint64_t before = 0;
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    std::nth_element(low, middle, high, less);
    std::uint64_t mass = before;
    for (auto it = low; it != middle; ++it) mass += it->weight;
    if ((static_cast<Wide>(mass) << 32) < limit) {
      low = middle;
      before = mass;
    } else {
      high = middle;
    }
  }
  candidates.erase(high, candidates.end());
}

// Weights by magnitude: 64 buckets for each power of two, ascending with the weight, equal weights
// together. Weight 0 has none.
constexpr int kBucketShift = 17;
constexpr std::uint32_t kBucketBase = std::bit_cast<std::uint32_t>(1.0f) >> kBucketShift;
constexpr std::uint32_t kBuckets =
    (std::bit_cast<std::uint32_t>(2 * kWeightOne) >> kBucketShift) - kBucketBase;
std::uint32_t bucket_of(std::uint64_t weight) {
  return (std::bit_cast<std::uint32_t>(static_cast<float>(weight)) >> kBucketShift) - kBucketBase;
}

bool heavier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

// The last candidate, in the order (weight descending, id ascending), that top_p keeps.
Candidate last_of_top_p(std::span<const float> probabilities, float top_p) {
  std::vector<std::uint64_t> masses(kBuckets, 0);
  std::uint64_t total = 0;
  for (const float probability : probabilities) {
    const std::uint64_t weight = weight_of(probability);
    if (weight == 0) continue;
    masses[bucket_of(weight)] += weight;
    total += weight;
  }
  const Wide limit = static_cast<Wide>(total) * fixed_share(top_p);
  // The lowest bucket before which the mass is still below the limit; the heaviest stays anyway.
  std::uint64_t before = 0;
  std::uint32_t bucket = kBuckets;
  std::uint64_t before_bucket = 0;
  for (std::uint32_t b = kBuckets; b-- > 0;) {
    if (masses[b] == 0) continue;
    if (bucket != kBuckets && (static_cast<Wide>(before) << 32) >= limit) break;
    bucket = b;
    before_bucket = before;
    before += masses[b];
  }
  std::vector<Candidate> border;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const std::uint64_t weight = weight_of(probabilities[i]);
    if (weight == 0 || bucket_of(weight) != bucket) continue;
    border.push_back({weight, 0, static_cast<std::int32_t>(i)});
  }
  std::sort(border.begin(), border.end(), heavier);
  Candidate last = border.front();
  for (const Candidate& candidate : border) {
    if (candidate.id != border.front().id && (static_cast<Wide>(before_bucket) << 32) >= limit) {
      break;
    }
    last = candidate;
    before_bucket += candidate.weight;
  }
  return last;
}

}  // namespace

void top_ids(const float* values, std::int64_t count, std::int64_t k,
             std::vector<std::int32_t>& ids) {
  ids.clear();
  if (k <= 0) return;
  if (k <= kHeapMax) {
    top_ids_by_heap(Better{values}, count, k, ids);
  } else {
    top_ids_by_select(Better{values}, count, k, ids);
  }
}

int rank_of(const float* values, std::int64_t count, std::int32_t id) {
  const float value = values[id];
  int better = 0;
  for (std::int64_t i = 0; i < count; ++i) better += values[i] > value ? 1 : 0;
  for (std::int64_t i = 0; i < id; ++i) better += values[i] == value ? 1 : 0;
  return better + 1;
}

std::uint64_t total_weight(const std::vector<Candidate>& candidates) {
  std::uint64_t total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

void keep_min_p(std::vector<Candidate>& candidates, float min_p) {
  std::uint64_t largest = 0;
  for (const Candidate& candidate : candidates) largest = std::max(largest, candidate.weight);
  const Wide limit = static_cast<Wide>(largest) * fixed_share(min_p);
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return (static_cast<Wide>(candidate.weight) << 32) < limit;
  });
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p) {
  if (candidates.size() < 2) return;
  // Tokens lighter than (1 - top_p) * total / count weigh less than 1 - top_p together, so they lie
  // behind the cut; dropping them first leaves a short list. The mass limit keeps the old total.
  const std::uint64_t total = total_weight(candidates);
  const std::uint64_t share = fixed_share(top_p);
  const auto lightest = static_cast<std::uint64_t>(
      ((static_cast<Wide>(total) * ((std::uint64_t{1} << 32) - share)) >> 32) / candidates.size());
  std::uint64_t dropped = 0;
  std::erase_if(candidates, [&](const Candidate& candidate) {
    if (candidate.weight >= lightest) return false;
    dropped += candidate.weight;
    return true;
  });
  // One stand-in for the dropped mass keeps the total; it sorts last.
  if (dropped > 0) candidates.push_back({dropped, 0, -1});
  const auto heavier = [](const Candidate& a, const Candidate& b) {
    if ((a.id < 0) != (b.id < 0)) return b.id < 0;
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  };
  keep_mass(candidates, top_p, heavier);
  std::erase_if(candidates, [](const Candidate& candidate) { return candidate.id < 0; });
}

void keep_min_p(std::span<float> probabilities, float min_p) {
  std::uint64_t largest = 0;
  for (const float probability : probabilities) {
    largest = std::max(largest, weight_of(probability));
  }
  const Wide limit = static_cast<Wide>(largest) * fixed_share(min_p);
  for (float& probability : probabilities) {
    if ((static_cast<Wide>(weight_of(probability)) << 32) < limit) probability = 0;
  }
}

void keep_top_p(std::span<float> probabilities, float top_p) {
  const Candidate last = last_of_top_p(probabilities, top_p);
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const Candidate here{weight_of(probabilities[i]), 0, static_cast<std::int32_t>(i)};
    if (heavier(last, here)) probabilities[i] = 0;
  }
}

void keep_typical_p(std::vector<Candidate>& candidates, float typical_p) {
  if (candidates.size() < 2) return;
  const auto total = static_cast<double>(total_weight(candidates));
  // ln of the mass in units of kWeightOne; our own logarithm, the same on each machine.
  const double log_total = kernels::log_f32(static_cast<float>(total / kWeightOne));
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  double entropy = 0;
  for (const Candidate& candidate : candidates) {
    entropy -= static_cast<double>(candidate.weight) / total * (candidate.score - log_total);
  }
  for (Candidate& candidate : candidates) {
    candidate.score = static_cast<float>(std::abs(log_total - candidate.score - entropy));
  }
  keep_mass(candidates, typical_p, [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score < b.score : a.id < b.id;
  });
}

std::int32_t draw(const std::vector<Candidate>& candidates, std::uint64_t bits) {
  const std::uint64_t total = total_weight(candidates);
  CHECK(total > 0, "nothing to draw from {} candidates", candidates.size());
  const auto target = static_cast<std::uint64_t>((static_cast<Wide>(bits) * total) >> 64);
  std::uint64_t sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    if (sum > target) return candidate.id;
  }
  CHECK(false, "target {} beyond the total {}", target, total);
  return -1;
}

std::int32_t draw(std::span<const float> probabilities, std::uint64_t bits) {
  constexpr std::size_t kBlock = 1024;
  const std::size_t count = probabilities.size();
  std::vector<std::uint64_t> blocks;
  blocks.reserve(count / kBlock + 1);
  std::uint64_t total = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    std::uint64_t sum = 0;
    for (const float p : probabilities.subspan(begin, std::min(kBlock, count - begin))) {
      sum += weight_of(p);
    }
    blocks.push_back(sum);
    total += sum;
  }
  CHECK(total > 0, "nothing to draw from {} tokens", count);
  const auto target = static_cast<std::uint64_t>((static_cast<Wide>(bits) * total) >> 64);
  std::uint64_t sum = 0;
  std::size_t block = 0;
  while (sum + blocks[block] <= target) sum += blocks[block++];
  for (std::size_t i = block * kBlock;; ++i) {
    sum += weight_of(probabilities[i]);
    if (sum > target) return static_cast<std::int32_t>(i);
  }
}

}  // namespace quire::engine
