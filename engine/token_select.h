// Choosing a few tokens out of a vocabulary by total orders, without sorting it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quire::engine {

// A token that may be drawn. weight is its probability times a common factor, as an integer: sums
// of integers do not depend on their order, so every cut and every draw is exact and the same on
// each machine.
struct Candidate {
  std::uint64_t weight = 0;
  float score = 0;  // ln of the unnormalised probability: (logit - max) / temperature
  std::int32_t id = 0;
};

// weight of probability 1 before normalisation. 2^44 leaves room for 2^20 tokens in 64 bits and
// loses only tokens that are 6e-14 times as likely as the best.
inline constexpr float kWeightOne = 0x1p44f;
// A score below this has weight 0.
inline constexpr float kScoreMin = -80.0f;

// Rounded down; probability is at most 1.
inline std::uint64_t weight_of(float probability) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(probability * kWeightOne));
}

// The k best ids in the order (value descending, id ascending); fewer when count is smaller.
// -infinity is never chosen. No value is NaN.
void top_ids(const float* values, std::int64_t count, std::int64_t k,
             std::vector<std::int32_t>& ids);

// 1 + the number of tokens before `id` in the order (value descending, id ascending).
int rank_of(const float* values, std::int64_t count, std::int32_t id);

std::uint64_t total_weight(const std::vector<Candidate>& candidates);

// Each keeps at least one candidate of a non-empty list, in the list's order, which must ascend by
// ids.
// The k best in the order (score descending, id ascending).
void keep_top_k(std::vector<Candidate>& candidates, std::size_t k);
// min_p: weight at least min_p times the largest.
void keep_min_p(std::vector<Candidate>& candidates, float min_p);
// top_p: in the order (weight descending, id ascending), while the mass before is below top_p, and
// min_keep of them in any case.
void keep_top_p(std::vector<Candidate>& candidates, float top_p, int min_keep = 1);
// Cuts over the probabilities of a whole vocabulary (before normalisation, the largest 1): what is
// cut becomes 0. The same tokens stay as in a list of all candidates.
void keep_min_p(std::span<float> probabilities, float min_p);
void keep_top_p(std::span<float> probabilities, float top_p);
// ... of the k best `values` in the order (value descending, id ascending). No value is NaN.
void keep_top_k(std::span<const float> values, std::size_t k, std::span<float> probabilities);
// typical_p (arXiv:2202.00666): in the order of |surprise - entropy|, while the mass before is
// below typical_p, and min_keep of them in any case; ties go to the lower id.
void keep_typical_p(std::vector<Candidate>& candidates, float typical_p, int min_keep = 1);

// The candidate at `bits` / 2^64 of the mass, in ascending order of ids. REQUIRES: ascending ids,
// total weight above 0.
std::int32_t draw(const std::vector<Candidate>& candidates, std::uint64_t bits);
std::int32_t draw(std::span<const float> probabilities, std::uint64_t bits);

}  // namespace quire::engine
