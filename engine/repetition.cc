// DRY looks for the end of the text inside the text with the Z algorithm, read backwards.
#include "engine/repetition.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "kernels/kernels.h"

namespace quire::engine {
namespace {

constexpr float kLogitMax = 1e37f;
constexpr float kExponentMax = 80.0f;  // of e: the penalty stays finite

}  // namespace

Repetition::Repetition(const SamplingParams& params, std::span<const std::int32_t> prompt)
    : params_(&params),
      window_(params.repeat_penalty != 1 && params.repeat_last_n != 0),
      dry_(params.dry.multiplier != 0 && params.dry.base >= 1 && params.dry.last_n != 0) {
  if (active()) tokens_.assign(prompt.begin(), prompt.end());
}

std::span<const std::int32_t> Repetition::last(int count) const {
  const std::span<const std::int32_t> all = tokens_;
  return count < 0 ? all : all.last(std::min(all.size(), static_cast<std::size_t>(count)));
}

void Repetition::penalize(std::span<float> logits) const {
  if (window_) penalize_window(logits);
  if (dry_) penalize_dry(logits);
}

void Repetition::penalize_window(std::span<float> logits) const {
  const auto window = last(params_->repeat_last_n);
  const std::unordered_set<std::int32_t> ids(window.begin(), window.end());
  for (const std::int32_t id : ids) {
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / params_->repeat_penalty : logit * params_->repeat_penalty;
    logit = std::clamp(logit, -kLogitMax, kLogitMax);
  }
}

std::size_t tokens_behind_breaker(std::span<const std::int32_t> tokens,
                                  const std::vector<DryBreaker>& breakers) {
  std::unordered_multimap<std::int32_t, const DryBreaker*> heads;
  for (const DryBreaker& breaker : breakers) heads.emplace(breaker.head, &breaker);
  for (std::size_t behind = 0; behind < tokens.size(); ++behind) {
    const std::size_t at = tokens.size() - 1 - behind;
    std::ptrdiff_t longest = -1;
    const auto [begin, end] = heads.equal_range(tokens[at]);
    for (auto it = begin; it != end; ++it) {
      const std::vector<std::int32_t>& tail = it->second->tail;
      if (tail.size() > behind) continue;
      if (std::equal(tail.begin(), tail.end(),
                     tokens.begin() + static_cast<std::ptrdiff_t>(at) + 1)) {
        longest = std::max(longest, static_cast<std::ptrdiff_t>(tail.size()));
      }
    }
    if (longest >= 0) return behind - static_cast<std::size_t>(longest);
  }
  return tokens.size();
}

std::vector<std::size_t> suffix_lengths(std::span<const std::int32_t> tokens) {
  const std::size_t count = tokens.size();
  const auto from_end = [&](std::size_t i) { return tokens[count - 1 - i]; };
  std::vector<std::size_t> z(count, 0);  // of the reversed text
  for (std::size_t k = 1, left = 0, right = 0; k < count; ++k) {
    if (k < right) z[k] = std::min(right - k, z[k - left]);
    while (k + z[k] < count && from_end(z[k]) == from_end(k + z[k])) ++z[k];
    if (k + z[k] > right) {
      left = k;
      right = k + z[k];
    }
  }
  std::vector<std::size_t> lengths(count, 0);
  for (std::size_t k = 1; k < count; ++k) lengths[count - k] = z[k];
  return lengths;
}

void Repetition::penalize_dry(std::span<float> logits) const {
  const DryParams& dry = params_->dry;
  const auto window = last(dry.last_n);
  const auto allowed = static_cast<std::size_t>(std::max(dry.allowed_length, 0));
  if (window.size() <= allowed) return;
  const std::size_t limit = tokens_behind_breaker(window, dry.breakers);
  if (limit < allowed) return;
  const std::vector<std::size_t> lengths = suffix_lengths(window);
  std::unordered_map<std::int32_t, std::size_t> longest;
  for (std::size_t p = 1; p < window.size(); ++p) {
    const std::size_t length = std::min(lengths[p], limit);
    if (length < allowed) continue;
    std::size_t& known = longest[window[p]];
    known = std::max(known, length);
  }
  for (const DryBreaker& breaker : dry.breakers) {
    if (breaker.tail.empty()) longest.erase(breaker.head);  // it ends the repetition itself
  }
  const float log_base = kernels::log_f32(dry.base);
  for (const auto& [id, length] : longest) {
    const float exponent = std::min(static_cast<float>(length - allowed) * log_base, kExponentMax);
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = std::max(logit - dry.multiplier * kernels::exp_f32(exponent), -kLogitMax);
  }
}

}  // namespace quire::engine
