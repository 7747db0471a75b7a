// Heaps and histograms over candidates; integer masses make every cut exact.
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

// By weight descending; the bucket of weight 0 is the last.
constexpr std::size_t kWeightBuckets = kBuckets + 1;
std::size_t weight_rank(const Candidate& c) {
  return c.weight == 0 ? kBuckets : kBuckets - 1 - bucket_of(c.weight);
}

// By any float ascending: its bits as an order, a few to a bucket.
constexpr int kFloatShift = 17;
constexpr std::size_t kFloatBuckets = std::size_t{1} << (32 - kFloatShift);
std::size_t float_rank(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t order = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  return order >> kFloatShift;
}
std::size_t descending_rank(float value) { return kFloatBuckets - 1 - float_rank(value); }

// What stays of an order: while the mass before is below share of the total, and the first
// `count_min` in any case.
struct Cut {
  float share = 0;
  std::size_t count_min = 1;
};

// Up to so many candidates one sort is cheaper than buckets.
constexpr std::size_t kSortMax = 2048;

// The last bucket whose first candidate stays.
struct Border {
  std::size_t rank = 0, count_before = 0;
  std::uint64_t mass_before = 0;
};
template <class Rank, class Stays>
Border find_border(std::span<const Candidate> candidates, std::size_t ranks, const Rank& rank,
                   const Stays& stays) {
  struct Bucket {
    std::uint64_t mass = 0;
    std::uint32_t count = 0;
  };
  std::vector<Bucket> buckets(ranks);
  for (const Candidate& c : candidates) {
    Bucket& bucket = buckets[rank(c)];
    bucket.mass += c.weight;
    ++bucket.count;
  }
  Border border = {ranks, 0, 0};
  std::uint64_t mass = 0;
  std::size_t count = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    if (buckets[r].count == 0) continue;
    if (border.rank != ranks && !stays(mass, count)) break;
    border = {r, count, mass};
    mass += buckets[r].mass;
    count += buckets[r].count;
  }
  return border;
}

// The last candidate that a cut keeps. rank sorts candidates into `ranks` buckets in the sense of
// `less`, which is exact; one bucket is sorted. REQUIRES: at least one candidate.
template <class Rank, class Less>
Candidate last_kept(std::span<const Candidate> candidates, const Cut& cut, std::size_t ranks,
                    const Rank& rank, const Less& less) {
  std::uint64_t total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  const Wide limit = static_cast<Wide>(total) * fixed_share(cut.share);
  const auto stays = [&](std::uint64_t mass_before, std::size_t count_before) {
    return (static_cast<Wide>(mass_before) << 32) < limit || count_before < cut.count_min;
  };
  std::uint64_t mass_before = 0;
  std::size_t count_before = 0;
  std::vector<Candidate> inside;  // the bucket of the border
  if (candidates.size() <= kSortMax) {
    inside.assign(candidates.begin(), candidates.end());
  } else {
    const Border border = find_border(candidates, ranks, rank, stays);
    mass_before = border.mass_before;
    count_before = border.count_before;
    for (const Candidate& c : candidates) {
      if (rank(c) == border.rank) inside.push_back(c);
    }
  }
  std::sort(inside.begin(), inside.end(), less);
  Candidate last = inside.front();
  for (const Candidate& c : inside) {
    if (c.id != inside.front().id && !stays(mass_before, count_before)) break;
    last = c;
    mass_before += c.weight;
    ++count_before;
  }
  return last;
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

void keep_top_k(std::vector<Candidate>& candidates, std::size_t k) {
  if (candidates.size() <= k) return;
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  };
  const auto rank = [](const Candidate& c) { return descending_rank(c.score); };
  const Candidate last = last_kept(candidates, {0, k}, kFloatBuckets, rank, better);
  std::erase_if(candidates, [&](const Candidate& c) { return better(last, c); });
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p, int min_keep) {
  if (candidates.size() < 2) return;
  const Cut cut = {top_p, static_cast<std::size_t>(min_keep)};
  const Candidate last = last_kept(candidates, cut, kWeightBuckets, weight_rank, heavier);
  std::erase_if(candidates, [&](const Candidate& c) { return heavier(last, c); });
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

void keep_top_k(std::span<const float> values, std::size_t k, std::span<float> probabilities) {
  std::vector<std::uint32_t> counts(kFloatBuckets, 0);
  for (const float value : values) ++counts[descending_rank(value)];
  std::size_t border = 0, before = 0;
  while (border + 1 < kFloatBuckets && before + counts[border] < k) before += counts[border++];
  std::vector<std::int32_t> inside;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t rank = descending_rank(values[i]);
    if (rank == border) inside.push_back(static_cast<std::int32_t>(i));
    if (rank > border) probabilities[i] = 0;
  }
  const std::size_t stays = std::min(k - before, inside.size());
  const auto middle = inside.begin() + static_cast<std::ptrdiff_t>(stays);
  std::nth_element(inside.begin(), middle, inside.end(), Better{values.data()});
  for (auto it = middle; it != inside.end(); ++it) probabilities[static_cast<std::size_t>(*it)] = 0;
}

void keep_typical_p(std::vector<Candidate>& candidates, float typical_p, int min_keep) {
  if (candidates.size() < 2) return;
  const auto total = static_cast<double>(total_weight(candidates));
  float best = candidates.front().score;
  for (const Candidate& c : candidates) best = std::max(best, c.score);
  // ln of the mass in units of kWeightOne; our own logarithm, the same on each machine.
  const double log_total = kernels::log_f32(static_cast<float>(total / kWeightOne));
  double weighted = 0;
  for (const Candidate& c : candidates)
    weighted += static_cast<double>(c.weight) * (c.score - best);
  const double entropy = log_total - weighted / total;
  const auto shift = [&](const Candidate& c) {
    return static_cast<float>(std::abs(log_total - (c.score - best) - entropy));
  };
  const auto less = [&](const Candidate& a, const Candidate& b) {
    const float a_shift = shift(a), b_shift = shift(b);
    return a_shift != b_shift ? a_shift < b_shift : a.id < b.id;
  };
  const auto rank = [&](const Candidate& c) { return float_rank(shift(c)); };
  const Cut cut = {typical_p, static_cast<std::size_t>(min_keep)};
  const Candidate last = last_kept(candidates, cut, kFloatBuckets, rank, less);
  const float last_shift = shift(last);
  std::erase_if(candidates, [&](const Candidate& c) {
    const float here = shift(c);
    return here != last_shift ? here > last_shift : c.id > last.id;
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
