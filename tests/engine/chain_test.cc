// llama.cpp's samplers and penalties against what their definitions say, computed in double with
// full sorts and plain loops over everything.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/rng.h"
#include "engine/sampler.h"
#include "tests/engine/distribution.h"

namespace quire::engine {
namespace {

const kernels::Kernels& scalar() { return kernels::kernels(kernels::Isa::kScalar); }

std::vector<float> random_logits(Rng& rng, std::size_t vocab, double spread) {
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = static_cast<float>((rng.uniform() - 0.5) * spread);
  return logits;
}

// Sorted by logit, best first.
struct Row {
  std::vector<int> ids;
  std::vector<double> logits;

  std::vector<double> softmax() const {
    std::vector<double> p;
    for (const double logit : logits) p.push_back(std::exp(logit - logits[0]));
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& value : p) value /= sum;
    return p;
  }
  void keep(std::size_t count) {
    ids.resize(std::min(ids.size(), count));
    logits.resize(ids.size());
  }
  void keep_if(const std::vector<bool>& stays) {
    Row kept;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!stays[i]) continue;
      kept.ids.push_back(ids[i]);
      kept.logits.push_back(logits[i]);
    }
    *this = kept;
  }
};

Row sorted(const std::vector<float>& logits) {
  Row row;
  row.ids.resize(logits.size());
  std::iota(row.ids.begin(), row.ids.end(), 0);
  std::stable_sort(row.ids.begin(), row.ids.end(),
                   [&](int a, int b) { return logits[a] > logits[b]; });
  for (const int id : row.ids) row.logits.push_back(logits[id]);
  return row;
}

std::size_t prefix_of_mass(const std::vector<double>& p, double share, int min_keep) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    sum += p[i];
    if (sum >= share && static_cast<int>(i) + 1 >= min_keep) return i + 1;
  }
  return p.size();
}

void typical(Row& row, double share, int min_keep) {
  const std::vector<double> p = row.softmax();
  double entropy = 0;
  for (const double value : p) entropy -= value * std::log(value);
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  const auto shift = [&](std::size_t i) { return std::abs(-std::log(p[i]) - entropy); };
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return shift(a) < shift(b); });
  std::vector<double> mass;
  for (const std::size_t i : order) mass.push_back(p[i]);
  std::vector<bool> stays(p.size(), false);
  for (std::size_t i = 0; i < prefix_of_mass(mass, share, min_keep); ++i) stays[order[i]] = true;
  row.keep_if(stays);
}

void sigmas(Row& row, double count) {
  double mean = 0, variance = 0;
  for (const double logit : row.logits) mean += logit / static_cast<double>(row.ids.size());
  for (const double logit : row.logits) {
    variance += (logit - mean) * (logit - mean) / static_cast<double>(row.ids.size());
  }
  std::vector<bool> stays;
  for (const double logit : row.logits) {
    stays.push_back(logit >= row.logits[0] - count * std::sqrt(variance));
  }
  row.keep_if(stays);
}

void exclude_top(Row& row, double threshold, int min_keep) {
  const std::vector<double> p = row.softmax();
  std::size_t last = 0;
  for (std::size_t i = 0; i < p.size() && p[i] >= threshold; ++i) last = i;
  if (last == 0 || p.size() - last < static_cast<std::size_t>(min_keep)) return;
  std::vector<bool> stays(p.size(), true);
  for (std::size_t i = 0; i < last; ++i) stays[i] = false;
  row.keep_if(stays);
}

void heat(Row& row, const SamplingParams& params) {
  double temperature = params.temperature;
  if (params.dynatemp_range > 0 && row.ids.size() > 1) {
    double entropy = 0;
    for (const double p : row.softmax()) entropy -= p * std::log(p);
    const double share = entropy / std::log(static_cast<double>(row.ids.size()));
    const double low = std::max(0.0, temperature - params.dynatemp_range);
    const double high = temperature + params.dynatemp_range;
    temperature = low + (high - low) * std::pow(share, params.dynatemp_exponent);
  } else if (params.dynatemp_range > 0) {
    return;
  }
  for (double& logit : row.logits) logit /= temperature;
}

// with_xtc: of the two ways that the coin of XTC may fall.
Row chain_oracle(const SamplingParams& params, const std::vector<float>& logits, bool with_xtc) {
  Row row = sorted(logits);
  const int min_keep = std::max(params.min_keep, 1);
  for (const ChainStep step : params.chain) {
    const std::vector<double> p = row.softmax();
    switch (step) {
      case ChainStep::kTopNSigma:
        if (params.top_n_sigma > 0) sigmas(row, params.top_n_sigma);
        break;
      case ChainStep::kTopK:
        if (params.top_k > 0) row.keep(static_cast<std::size_t>(std::max(params.top_k, min_keep)));
        break;
      case ChainStep::kTypicalP:
        if (params.typical_p < 1) typical(row, params.typical_p, min_keep);
        break;
      case ChainStep::kTopP:
        if (params.top_p < 1) row.keep(prefix_of_mass(p, params.top_p, min_keep));
        break;
      case ChainStep::kMinP: {
        std::size_t kept = 0;
        while (kept < p.size() && p[kept] >= params.min_p * p[0]) ++kept;
        if (params.min_p > 0) row.keep(std::max(kept, static_cast<std::size_t>(min_keep)));
        break;
      }
      case ChainStep::kXtc:
        if (with_xtc) exclude_top(row, params.xtc_threshold, min_keep);
        break;
      case ChainStep::kTemperature:
        heat(row, params);
        break;
    }
  }
  return row;
}

std::vector<double> by_id(const Row& row, std::size_t vocab, double share) {
  std::vector<double> out(vocab, 0);
  const std::vector<double> p = row.softmax();
  for (std::size_t i = 0; i < p.size(); ++i)
    out[static_cast<std::size_t>(row.ids[i])] = p[i] * share;
  return out;
}

TEST(Chain, DrawsFollowTheDistribution) {
  Rng rng(21);
  for (int round = 0; round < 80; ++round) {
    SCOPED_TRACE(round);
    const std::vector<float> logits = random_logits(rng, 5 + rng.below(60), 8);
    const auto share = [&] { return static_cast<float>(rng.uniform()); };
    SamplingParams params;
    params.temperature = 0.3f + share();
    params.chain_given = true;
    for (std::size_t i = params.chain.size(); i > 1; --i) {
      std::swap(params.chain[i - 1], params.chain[rng.below(i)]);
    }
    params.chain.resize(1 + rng.below(params.chain.size()));
    if (rng.below(2) == 0) params.top_k = 1 + static_cast<int>(rng.below(logits.size()));
    if (rng.below(2) == 0) params.top_p = share();
    if (rng.below(2) == 0) params.min_p = share() * 0.3f;
    if (rng.below(2) == 0) params.typical_p = share();
    if (rng.below(2) == 0) params.top_n_sigma = 0.5f + share();
    if (rng.below(3) == 0) params.dynatemp_range = share();
    if (rng.below(3) == 0) params.dynatemp_exponent = 0.5f + share();
    if (rng.below(3) == 0) params.min_keep = 1 + static_cast<int>(rng.below(8));
    const bool has_xtc = std::count(params.chain.begin(), params.chain.end(), ChainStep::kXtc) > 0;
    if (has_xtc) {
      params.xtc_probability = share();
      params.xtc_threshold = share() * 0.4f;
    }
    const double excluded = params.xtc_probability;
    std::vector<double> p = by_id(chain_oracle(params, logits, false), logits.size(), 1 - excluded);
    const auto other = by_id(chain_oracle(params, logits, true), logits.size(), excluded);
    for (std::size_t i = 0; i < p.size(); ++i) p[i] += excluded > 0 ? other[i] : 0;
    expect_distribution(Sampler(params, {}, {}, rng.bits()), logits, p, 8000);
  }
}

TEST(Chain, AdaptiveFollowsTheTargetAndItsHistory) {
  Rng rng(22);
  for (int round = 0; round < 20; ++round) {
    SamplingParams params;
    params.adaptive_target = static_cast<float>(rng.uniform());
    params.adaptive_decay = static_cast<float>(rng.uniform() * 0.99);
    Sampler sampler(params, {}, {}, rng.bits());
    double weighted = params.adaptive_target / (1 - params.adaptive_decay);
    double total = 1 / (1 - params.adaptive_decay);
    for (int step = 0; step < 3; ++step) {
      const std::vector<float> logits = random_logits(rng, 12, 6);
      const Row row = sorted(logits);
      const std::vector<double> p = row.softmax();
      const double target = std::clamp(2 * params.adaptive_target - weighted / total, 0.0, 1.0);
      Row bent = row;
      for (std::size_t i = 0; i < p.size(); ++i) {
        const double distance = std::abs(p[i] - target) / 0.3;
        bent.logits[i] = 5 - 10 * distance * distance / (1 + distance);
      }
      expect_distribution(sampler, logits, by_id(bent, logits.size(), 1), 4000);
      SamplerScratch scratch;
      const std::int32_t id = sampler.sample(scalar(), logits, step, scratch)->id;
      const auto at = std::find(row.ids.begin(), row.ids.end(), id) - row.ids.begin();
      sampler.accept(id, scratch.probability);
      EXPECT_NEAR(scratch.probability, p[static_cast<std::size_t>(at)], 1e-5);
      weighted = p[static_cast<std::size_t>(at)] + params.adaptive_decay * weighted;
      total = 1 + params.adaptive_decay * total;
    }
  }
}

std::size_t mirostat_count(const SamplingParams& params, const Row& row, double mu,
                           std::size_t vocab) {
  const std::vector<double> p = row.softmax();
  if (params.mirostat == 2) {
    std::size_t count = 0;
    while (count < p.size() && -std::log2(p[count]) <= mu) ++count;
    return std::max<std::size_t>(count, 1);
  }
  double products = 0, squares = 0;
  for (std::size_t i = 0; i + 1 < std::min<std::size_t>(100, p.size()); ++i) {
    const double t = std::log((i + 2.0) / (i + 1.0));
    products += t * std::log(p[i] / p[i + 1]);
    squares += t * t;
  }
  const double s = products / squares, epsilon = s - 1;
  const double k = std::pow(
      epsilon * std::pow(2, mu) / (1 - std::pow(static_cast<double>(vocab), -epsilon)), 1 / s);
  return std::isfinite(k) && k >= 1 ? static_cast<std::size_t>(k) : 1;
}

TEST(Chain, MirostatDrawsFromWhatMuLeavesAndMovesIt) {
  Rng rng(23);
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    SamplingParams params;
    params.mirostat = 1 + round % 2;
    params.temperature = 0.5f + static_cast<float>(rng.uniform());
    params.mirostat_tau = 0.5f + static_cast<float>(rng.uniform() * 4);
    params.mirostat_eta = static_cast<float>(rng.uniform());
    params.top_k = 1;  // mirostat stands instead of the cuts
    Sampler sampler(params, {}, {}, rng.bits());
    double mu = 2 * params.mirostat_tau;
    for (int step = 0; step < 6; ++step) {
      const std::vector<float> logits = random_logits(rng, 200, 10);
      Row row = sorted(logits);
      heat(row, params);
      row.keep(mirostat_count(params, row, mu, logits.size()));
      expect_distribution(sampler, logits, by_id(row, logits.size(), 1), 1500);
      SamplerScratch scratch;
      const std::int32_t id = sampler.sample(scalar(), logits, step, scratch)->id;
      const auto at = std::find(row.ids.begin(), row.ids.end(), id) - row.ids.begin();
      ASSERT_LT(at, static_cast<std::ptrdiff_t>(row.ids.size()));
      const double surprise = -std::log2(row.softmax()[static_cast<std::size_t>(at)]);
      mu -= params.mirostat_eta * (surprise - params.mirostat_tau);
      sampler.accept(id, scratch.probability);
    }
  }
}

TEST(Chain, TheSameForEveryInstructionSet) {
  Rng rng(24);
  for (const kernels::Isa isa : {kernels::Isa::kAvx2, kernels::Isa::kAvx512}) {
    if (!kernels::isa_supported(isa)) continue;
    for (int round = 0; round < 50; ++round) {
      const std::vector<float> logits = random_logits(rng, 1 + rng.below(3000), 30);
      SamplingParams params;
      params.min_keep = 1;
      params.top_p = 0.9f;
      params.typical_p = 0.9f;
      params.mirostat = round % 3;
      const Sampler sampler(params, {}, {}, rng.bits());
      SamplerScratch scratch;
      const auto a = sampler.sample(scalar(), logits, round, scratch);
      const float probability = scratch.probability;
      EXPECT_EQ(a->id, sampler.sample(kernels::kernels(isa), logits, round, scratch)->id);
      EXPECT_EQ(probability, scratch.probability);
    }
  }
}

// --- penalties ----------------------------------------------------------------------------------

TEST(Repetition, WindowPenalizesItsTokensOnce) {
  SamplingParams params;
  params.repeat_penalty = 2;
  params.repeat_last_n = 3;
  Repetition repetition(params, std::vector<std::int32_t>{0, 1, 2});
  repetition.accept(2);
  repetition.accept(3);
  std::vector<float> logits = {4, 4, 4, -4, 4};
  repetition.penalize(logits);
  EXPECT_EQ(logits, (std::vector<float>{4, 4, 2, -8, 4}));
  params.repeat_last_n = -1;
  logits = {4, 4, 4, -4, 4};
  repetition.penalize(logits);
  EXPECT_EQ(logits, (std::vector<float>{2, 2, 2, -8, 4}));
  params.repeat_last_n = 0;
  EXPECT_FALSE(Repetition(params, {}).active());
}

// By the definition: for every earlier place, compare backwards token by token.
std::map<std::int32_t, std::size_t> dry_lengths(const std::vector<std::int32_t>& tokens,
                                                std::size_t limit) {
  std::map<std::int32_t, std::size_t> longest;
  const std::size_t count = tokens.size();
  for (std::size_t p = 1; p < count; ++p) {
    std::size_t length = 0;
    while (length < p && tokens[p - 1 - length] == tokens[count - 1 - length]) ++length;
    std::size_t& known = longest[tokens[p]];
    known = std::max(known, std::min(length, limit));
  }
  return longest;
}

TEST(Repetition, DryEqualsTheDefinition) {
  Rng rng(25);
  int penalized = 0;
  for (int round = 0; round < 400; ++round) {
    SamplingParams params;
    params.dry.multiplier = 0.8f;
    params.dry.base = 1 + static_cast<float>(rng.uniform());
    params.dry.allowed_length = static_cast<int>(rng.below(5));
    params.dry.last_n = rng.below(2) == 0 ? -1 : static_cast<int>(5 + rng.below(60));
    const bool breaks = rng.below(2) == 0;
    if (breaks) params.dry.breakers = {{3, {}}, {2, {1, 0}}};
    std::vector<std::int32_t> tokens;
    for (std::uint64_t n = 1 + rng.below(80); n > 0; --n) {
      tokens.push_back(static_cast<std::int32_t>(rng.below(round % 2 == 0 ? 2 : 4)));
    }
    Repetition repetition(params, tokens);
    std::vector<float> logits(6, 1.0f);
    repetition.penalize(logits);

    std::vector<std::int32_t> window = tokens;
    if (params.dry.last_n >= 0 && window.size() > static_cast<std::size_t>(params.dry.last_n)) {
      window.erase(window.begin(), window.end() - params.dry.last_n);
    }
    std::size_t limit = window.size();
    for (std::size_t behind = 0; behind < window.size() && breaks; ++behind) {
      const std::size_t at = window.size() - 1 - behind;
      if (window[at] == 3) {
        limit = behind;
        break;
      }
      if (window[at] == 2 && behind >= 2 && window[at + 1] == 1 && window[at + 2] == 0) {
        limit = behind - 2;
        break;
      }
    }
    const auto allowed = static_cast<std::size_t>(params.dry.allowed_length);
    std::vector<double> expected(6, 1.0);
    if (window.size() > allowed && limit >= allowed) {
      for (const auto& [id, length] : dry_lengths(window, limit)) {
        if (length < allowed || (breaks && id == 3)) continue;
        expected[static_cast<std::size_t>(id)] -=
            0.8 * std::pow(params.dry.base, static_cast<double>(length - allowed));
        ++penalized;
      }
    }
    for (std::size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(logits[i], expected[i], 1e-4 * std::max(1.0, std::abs(expected[i])))
          << "round " << round << " token " << i;
    }
  }
  EXPECT_GT(penalized, 200);
}

TEST(Repetition, BadWordsAreNeverCompleted) {
  SamplingParams params;
  params.bad_words = {{4}, {1, 2}, {1, 1, 3}};
  Sampler sampler(params, std::vector<std::int32_t>{1}, {}, 7);  // the prompt does not count
  SamplerScratch scratch;
  std::vector<std::int32_t> output;
  const std::vector<float> logits(5, 0.0f);
  for (int position = 0; position < 3000; ++position) {
    const std::int32_t id = sampler.sample(scalar(), logits, position, scratch)->id;
    if (position == 0) {
      EXPECT_TRUE(id != 4);
    }
    sampler.accept(id);
    output.push_back(id);
  }
  int pairs = 0;
  for (std::size_t i = 0; i < output.size(); ++i) {
    EXPECT_NE(output[i], 4);
    const bool pair = i >= 1 && output[i - 1] == 1 && output[i] == 2;
    const bool triple = i >= 2 && output[i - 2] == 1 && output[i - 1] == 1 && output[i] == 3;
    EXPECT_FALSE(pair || triple) << "at " << i;
    pairs += i >= 1 && output[i - 1] == 0 && output[i] == 2;
  }
  EXPECT_GT(pairs, 50);  // the last token of a word stays free elsewhere
}

}  // namespace
}  // namespace quire::engine
