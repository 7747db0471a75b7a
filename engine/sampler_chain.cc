// Every step keeps the order of ids, so that sums and draws have one order.
#include "engine/sampler_chain.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "kernels/kernels.h"

namespace quire::engine {
namespace {

constexpr std::uint64_t kXtcSalt = 0x7874632d64726177ull;
constexpr float kLn2 = 0.69314718f;
constexpr int kMirostatTokens = 100;  // that the exponent of Zipf's law is estimated from

float best_score(const std::vector<Candidate>& candidates) {
  float best = candidates.front().score;
  for (const Candidate& c : candidates) best = std::max(best, c.score);
  return best;
}

float probability_of(const Candidate& candidate, std::uint64_t total) {
  return static_cast<float>(static_cast<double>(candidate.weight) / static_cast<double>(total));
}

float power(float base, float exponent) {
  return kernels::exp_f32(exponent * kernels::log_f32(base));
}

const Candidate& with_id(const std::vector<Candidate>& candidates, std::int32_t id) {
  return *std::lower_bound(candidates.begin(), candidates.end(), id,
                           [](const Candidate& c, std::int32_t wanted) { return c.id < wanted; });
}

ChainDraw draw_weighed(const std::vector<Candidate>& candidates, std::uint64_t bits) {
  const std::int32_t id = draw(candidates, bits);
  return {id, probability_of(with_id(candidates, id), total_weight(candidates))};
}

// Standard deviations below the best logit.
void keep_sigmas(std::vector<Candidate>& candidates, float sigmas) {
  const auto count = static_cast<double>(candidates.size());
  double sum = 0, squares = 0;
  for (const Candidate& c : candidates) sum += c.score;
  const double mean = sum / count;
  for (const Candidate& c : candidates) squares += (c.score - mean) * (c.score - mean);
  const double least = best_score(candidates) - sigmas * std::sqrt(squares / count);
  std::erase_if(candidates, [&](const Candidate& c) { return c.score < least; });
}

void keep_share_of_best(std::vector<Candidate>& candidates, float min_p, int min_keep) {
  if (min_p <= 0) return;
  const float least = best_score(candidates) + kernels::log_f32(min_p);
  const auto kept = std::count_if(candidates.begin(), candidates.end(),
                                  [&](const Candidate& c) { return c.score >= least; });
  if (kept < min_keep) {
    keep_top_k(candidates, static_cast<std::size_t>(min_keep));
    return;
  }
  std::erase_if(candidates, [&](const Candidate& c) { return c.score < least; });
}

// Of the tokens with at least `threshold`, the least likely one stays, the others go.
void drop_top_choices(ChainRow& row, float threshold, int min_keep) {
  row.weigh();
  std::vector<Candidate>& candidates = row.candidates;
  const std::uint64_t total = total_weight(candidates);
  const Candidate* last = nullptr;
  std::size_t above = 0;
  const auto behind = [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score < b.score : a.id > b.id;
  };
  for (const Candidate& c : candidates) {
    if (probability_of(c, total) < threshold) continue;
    ++above;
    if (last == nullptr || behind(c, *last)) last = &c;
  }
  if (above < 2 || candidates.size() - (above - 1) < static_cast<std::size_t>(min_keep)) return;
  const Candidate stays = *last;
  std::erase_if(candidates, [&](const Candidate& c) { return behind(stays, c); });
}

}  // namespace

SamplerChain::SamplerChain(const SamplingParams& params)
    : params_(&params),
      mu_(2 * params.mirostat_tau),
      weighted_sum_(params.adaptive_target / (1 - params.adaptive_decay)),
      total_weight_(1 / (1 - params.adaptive_decay)) {}

void ChainRow::weigh() {
  const std::size_t count = candidates.size();
  const float best = best_score(candidates);
  values.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = std::max(candidates[i].score - best, kScoreMin);
  }
  kernels.activate({kernels::Unary::kExp, values.data(), nullptr, values.data(),
                    static_cast<std::int64_t>(count)});
  for (std::size_t i = 0; i < count; ++i) candidates[i].weight = weight_of(values[i]);
}

void SamplerChain::scale(ChainRow& row) const {
  std::vector<Candidate>& candidates = row.candidates;
  float temperature = params_->temperature;
  if (temperature == 0) {
    keep_top_k(candidates, 1);
    return;
  }
  if (params_->dynatemp_range > 0) {
    if (candidates.size() < 2) return;
    row.weigh();
    const auto total = static_cast<double>(total_weight(candidates));
    double entropy = 0;
    for (const Candidate& c : candidates) {
      if (c.weight == 0) continue;
      const double p = static_cast<double>(c.weight) / total;
      entropy -= p * static_cast<double>(kernels::log_f32(static_cast<float>(p)));
    }
    const float most = kernels::log_f32(static_cast<float>(candidates.size()));
    const float share = std::clamp(static_cast<float>(entropy) / most, 0.0f, 1.0f);
    const float low = std::max(0.0f, temperature - params_->dynatemp_range);
    const float high = temperature + params_->dynatemp_range;
    const float bent = share > 0 ? power(share, params_->dynatemp_exponent) : 0;
    temperature = low + (high - low) * bent;
    if (temperature <= 0) {
      keep_top_k(candidates, 1);
      return;
    }
  }
  const float best = best_score(candidates);
  for (Candidate& c : candidates) c.score = std::max((c.score - best) / temperature, 2 * kScoreMin);
}

void SamplerChain::apply(ChainStep step, ChainRow& row) const {
  std::vector<Candidate>& candidates = row.candidates;
  const SamplingParams& p = *params_;
  const int min_keep = std::max(p.min_keep, 1);
  switch (step) {
    case ChainStep::kTopNSigma:
      if (p.top_n_sigma > 0 && candidates.size() > 1) keep_sigmas(candidates, p.top_n_sigma);
      return;
    case ChainStep::kTopK:
      if (p.top_k > 0)
        keep_top_k(candidates, static_cast<std::size_t>(std::max(p.top_k, min_keep)));
      return;
    case ChainStep::kTypicalP:
      if (p.typical_p >= 1) return;
      row.weigh();
      keep_typical_p(candidates, p.typical_p, min_keep);
      return;
    case ChainStep::kTopP:
      if (p.top_p >= 1) return;
      row.weigh();
      keep_top_p(candidates, p.top_p, min_keep);
      return;
    case ChainStep::kMinP:
      keep_share_of_best(candidates, p.min_p, min_keep);
      return;
    case ChainStep::kXtc:
      if (p.xtc_probability <= 0 || p.xtc_threshold > 0.5f || candidates.size() < 2) return;
      if (random_uniform(mix64(row.seed ^ kXtcSalt), row.position) > p.xtc_probability) return;
      drop_top_choices(row, p.xtc_threshold, min_keep);
      return;
    case ChainStep::kTemperature:
      scale(row);
      return;
  }
}

// Leaves the tokens that mirostat draws from, in units of bits of surprise.
void SamplerChain::cut_by_mirostat(ChainRow& row, std::size_t vocab) const {
  std::vector<Candidate>& candidates = row.candidates;
  row.weigh();
  if (params_->mirostat == 2) {
    const float least =
        kernels::exp_f32(-mu_ * kLn2) * static_cast<float>(total_weight(candidates));
    const auto kept = std::count_if(candidates.begin(), candidates.end(), [&](const Candidate& c) {
      return static_cast<float>(c.weight) >= least;
    });
    keep_top_k(candidates, static_cast<std::size_t>(std::max<std::ptrdiff_t>(kept, 1)));
    return;
  }
  std::vector<Candidate> best = candidates;
  keep_top_k(best, kMirostatTokens);
  std::sort(best.begin(), best.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  double products = 0, squares = 0;
  for (std::size_t i = 0; i + 1 < best.size(); ++i) {
    const float t = kernels::log_f32(static_cast<float>(i + 2) / static_cast<float>(i + 1));
    products += static_cast<double>(t) * (best[i].score - best[i + 1].score);
    squares += static_cast<double>(t) * t;
  }
  const auto slope = static_cast<float>(products / squares);
  const float epsilon = slope - 1;
  const float tail = 1 - power(static_cast<float>(vocab), -epsilon);
  const float k = power(epsilon * kernels::exp_f32(mu_ * kLn2) / tail, 1 / slope);
  const bool usable = std::isfinite(k) && k >= 1 && k < 2147483648.0f;
  keep_top_k(candidates, usable ? static_cast<std::size_t>(k) : 1);
}

ChainDraw SamplerChain::draw_adaptive(ChainRow& row, std::uint64_t bits) const {
  constexpr float kWidth = 0.3f, kPeak = 5.0f, kSharpness = 10.0f;
  const std::vector<Candidate> before = row.candidates;
  const std::uint64_t total = total_weight(before);
  const float wanted = total_weight_ == 0
                           ? params_->adaptive_target
                           : 2 * params_->adaptive_target - weighted_sum_ / total_weight_;
  const float target = std::clamp(wanted, 0.0f, 1.0f);
  for (Candidate& c : row.candidates) {
    const float distance = std::abs(probability_of(c, total) - target) / kWidth;
    c.score = kPeak - kSharpness * distance * distance / (1 + distance);
  }
  row.weigh();
  const std::int32_t id = engine::draw(row.candidates, bits);
  return {id, probability_of(with_id(before, id), total)};
}

ChainDraw SamplerChain::draw(std::span<const float> logits, ChainRow& row) const {
  row.candidates.clear();
  row.candidates.reserve(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isinf(logits[i])) continue;
    row.candidates.push_back({0, logits[i], static_cast<std::int32_t>(i)});
  }
  if (params_->mirostat > 0 && params_->temperature > 0) {
    apply(ChainStep::kTemperature, row);
    cut_by_mirostat(row, logits.size());
  } else {
    for (const ChainStep step : params_->chain) apply(step, row);
  }
  row.weigh();
  const std::uint64_t bits = random_bits(row.seed, row.position);
  if (params_->adaptive_target >= 0) return draw_adaptive(row, bits);
  return draw_weighed(row.candidates, bits);
}

void SamplerChain::accept(float probability) {
  if (params_->mirostat > 0) {
    const float surprise = -kernels::log_f32(std::max(probability, 1e-30f)) / kLn2;
    mu_ -= params_->mirostat_eta * (surprise - params_->mirostat_tau);
  }
  if (params_->adaptive_target >= 0) {
    weighted_sum_ = probability + params_->adaptive_decay * weighted_sum_;
    total_weight_ = 1 + params_->adaptive_decay * total_weight_;
  }
}

}  // namespace quire::engine
