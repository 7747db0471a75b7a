// Scores, optional bias and groups for the choice, then the weights from the unbiased scores.
#include "models/blocks/router.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace quire::models {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// The largest of ranks that is not yet taken (taken ones are marked by the caller as NaN); -1 when
// none is a number.
std::int64_t best_of(std::span<const float> ranks) {
  std::int64_t best = -1;
  float best_rank = kLowest;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const bool is_first_number = best == -1 && ranks[i] >= kLowest;
    if (is_first_number || ranks[i] > best_rank) {
      best = static_cast<std::int64_t>(i);
      best_rank = ranks[i];
    }
  }
  return best;
}

// The sum of the two best ranks of a group, as DeepSeek-V3 scores it.
float group_score(std::span<const float> ranks) {
  float first = kLowest, second = kLowest;
  for (const float rank : ranks) {
    if (rank > first) {
      second = first;
      first = rank;
    } else if (rank > second) {
      second = rank;
    }
  }
  return ranks.size() == 1 ? first : first + second;
}

// Ranks of experts outside the kept groups become -infinity.
void keep_groups(const Router& router, std::span<float> ranks) {
  constexpr int kGroupsMax = 256;
  CHECK(router.groups <= kGroupsMax && ranks.size() % static_cast<std::size_t>(router.groups) == 0,
        "{} experts in {} groups", ranks.size(), router.groups);
  const std::size_t size = ranks.size() / static_cast<std::size_t>(router.groups);
  float scores[kGroupsMax];
  bool kept[kGroupsMax] = {};
  const std::span<float> all(scores, static_cast<std::size_t>(router.groups));
  for (std::size_t group = 0; group < all.size(); ++group) {
    all[group] = group_score(ranks.subspan(group * size, size));
  }
  for (int i = 0; i < router.groups_kept; ++i) {
    const std::int64_t best = best_of(all);
    if (best < 0) break;
    kept[best] = true;
    scores[best] = std::numeric_limits<float>::quiet_NaN();
  }
  for (std::size_t group = 0; group < all.size(); ++group) {
    if (!kept[group]) std::ranges::fill(ranks.subspan(group * size, size), kLowest);
  }
}

void fill_scores(const Router& router, const kernels::Kernels& kernels, std::span<float> scores) {
  if (router.score == Router::Score::kSoftmax) {
    kernels.softmax(scores.data(), static_cast<std::int64_t>(scores.size()));
  } else {
    for (float& score : scores) score = kernels::sigmoid_f32(score);
  }
}

// The lowest expert that is not among the first `count` ids, for rows without a number left.
std::int64_t first_free(std::span<const std::int32_t> ids) {
  std::int32_t free = 0;
  while (std::ranges::find(ids, free) != ids.end()) ++free;
  return free;
}

}  // namespace

void choose_experts(const Router& router, const kernels::Kernels& kernels, const float* bias,
                    const RouterRow& row) {
  CHECK(row.ids.size() <= row.scores.size(), "{} of {} experts", row.ids.size(), row.scores.size());
  fill_scores(router, kernels, row.scores);
  for (std::size_t i = 0; i < row.scores.size(); ++i) {
    row.ranks[i] = bias == nullptr ? row.scores[i] : row.scores[i] + bias[i];
  }
  if (router.groups > 1) keep_groups(router, row.ranks);
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    std::int64_t best = best_of(row.ranks);
    if (best < 0) best = first_free(row.ids.first(i));
    row.ids[i] = static_cast<std::int32_t>(best);
    row.ranks[static_cast<std::size_t>(best)] = std::numeric_limits<float>::quiet_NaN();
  }
  std::ranges::sort(row.ids);
  float sum = 0;
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    row.weights[i] = row.scores[static_cast<std::size_t>(row.ids[i])];
    sum += row.weights[i];
  }
  if (router.score == Router::Score::kSigmoid) sum += 1e-20f;
  for (float& weight : row.weights) {
    if (router.renormalize) weight /= sum;
    weight *= router.weight_scale;
  }
}

}  // namespace quire::models
