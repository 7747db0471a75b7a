// Sampling against plain double-precision implementations: full sorts, direct sums, chi-square over
// many draws. Cuts over integer weights are compared exactly.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/rng.h"
#include "tests/engine/distribution.h"

namespace quire::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const kernels::Kernels& scalar() { return kernels::kernels(kernels::Isa::kScalar); }

std::vector<float> random_logits(Rng& rng, int vocab, float spread) {
  std::vector<float> logits(static_cast<std::size_t>(vocab));
  for (float& logit : logits) logit = static_cast<float>((rng.uniform() - 0.5) * spread);
  return logits;
}

std::vector<int> by_probability(const std::vector<double>& p) {
  std::vector<int> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  return order;
}

void normalize(std::vector<double>& p) {
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
}

// Keeps a prefix of `order`: while the mass before is below `share`.
void cut(std::vector<double>& p, const std::vector<int>& order, double share) {
  double before = 0;
  bool first = true;
  for (const int id : order) {
    const double mass = p[id];
    if (!first && before >= share) p[id] = 0;
    before += mass;
    first = false;
  }
  normalize(p);
}

// The distribution that the parameters ask for, step by step as the header orders them.
std::vector<double> oracle(const SamplingParams& params, const std::vector<float>& logits,
                           const std::vector<std::int32_t>& prompt,
                           const std::vector<std::int32_t>& output) {
  std::vector<double> x(logits.begin(), logits.end());
  for (const auto& [id, bias] : params.logit_bias) x[id] += bias;
  std::vector<int> counts(x.size()), in_prompt(x.size());
  for (const int id : output) ++counts[id];
  for (const int id : prompt) in_prompt[id] = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (counts[i] > 0 || in_prompt[i] > 0) {
      x[i] = x[i] > 0 ? x[i] / params.repetition_penalty : x[i] * params.repetition_penalty;
    }
    if (counts[i] > 0) x[i] -= params.frequency_penalty * counts[i] + params.presence_penalty;
    const auto& allowed = params.allowed_token_ids;
    const bool banned = !allowed.empty() && std::find(allowed.begin(), allowed.end(),
                                                      static_cast<int>(i)) == allowed.end();
    if (banned) x[i] = -INFINITY;
  }
  const double max = *std::max_element(x.begin(), x.end());
  std::vector<double> p(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) p[i] = std::exp((x[i] - max) / params.temperature);
  normalize(p);
  const double best = *std::max_element(p.begin(), p.end());
  for (double& value : p) value = value < params.min_p * best ? 0 : value;
  normalize(p);
  if (params.top_k > 0) {
    const std::vector<int> order = by_probability(p);
    for (std::size_t i = static_cast<std::size_t>(params.top_k); i < order.size(); ++i)
      p[order[i]] = 0;
    normalize(p);
  }
  if (params.top_p < 1) cut(p, by_probability(p), params.top_p);
  if (params.typical_p < 1) {
    double entropy = 0;
    for (const double value : p) entropy -= value > 0 ? value * std::log(value) : 0;
    std::vector<int> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    const auto shift = [&](int id) {
      return p[id] > 0 ? std::abs(-std::log(p[id]) - entropy) : 1e300;
    };
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return shift(a) != shift(b) ? shift(a) < shift(b) : a < b; });
    cut(p, order, params.typical_p);
  }
  return p;
}

TEST(Sampler, DrawsFollowTheDistribution) {
  Rng rng(11);
  for (int round = 0; round < 60; ++round) {
    const int vocab = 5 + static_cast<int>(rng.below(60));
    const std::vector<float> logits = random_logits(rng, vocab, 8);
    SamplingParams params;
    params.temperature = 0.3f + static_cast<float>(rng.uniform());
    if (rng.below(2) == 0) params.top_k = 1 + static_cast<int>(rng.below(vocab));
    if (rng.below(2) == 0) params.top_p = static_cast<float>(rng.uniform());
    if (rng.below(3) == 0) params.min_p = static_cast<float>(rng.uniform() * 0.3);
    if (rng.below(3) == 0) params.typical_p = static_cast<float>(rng.uniform());
    if (rng.below(2) == 0) params.repetition_penalty = 1.5f;
    if (rng.below(2) == 0) params.frequency_penalty = 0.7f;
    if (rng.below(2) == 0) params.presence_penalty = -0.4f;
    if (rng.below(2) == 0) params.logit_bias = {{1, 3.0f}, {2, -100.0f}};
    if (rng.below(4) == 0) params.allowed_token_ids = {0, 1, 3, 4};
    std::vector<std::int32_t> prompt, output;
    for (int i = 0; i < 6; ++i) prompt.push_back(static_cast<std::int32_t>(rng.below(vocab)));
    for (int i = 0; i < 6; ++i) output.push_back(static_cast<std::int32_t>(rng.below(vocab)));
    Sampler sampler(params, prompt, {}, rng.bits());
    for (const std::int32_t id : output) sampler.accept(id);
    SCOPED_TRACE(round);
    expect_distribution(sampler, logits, oracle(params, logits, prompt, output), 20000);
  }
}

TEST(Sampler, TopIdsEqualAFullSort) {
  Rng rng(3);
  for (int round = 0; round < 300; ++round) {
    const int vocab = 1 + static_cast<int>(rng.below(round % 10 == 0 ? 5000 : 100));
    std::vector<float> values(static_cast<std::size_t>(vocab));
    for (float& value : values) {
      value = static_cast<float>(rng.below(20));  // many ties
      if (rng.below(8) == 0) value = -kInfinity;
    }
    std::vector<std::int32_t> expected;
    for (int i = 0; i < vocab; ++i) expected.push_back(i);
    std::stable_sort(expected.begin(), expected.end(),
                     [&](int a, int b) { return values[a] > values[b]; });
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(rank_of(values.data(), vocab, expected[i]), static_cast<int>(i) + 1);
    }
    std::erase_if(expected, [&](int id) { return std::isinf(values[id]); });
    const auto k = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(vocab) + 3));
    if (static_cast<std::int64_t>(expected.size()) > k)
      expected.resize(static_cast<std::size_t>(k));
    std::vector<std::int32_t> ids;
    top_ids(values.data(), vocab, k, ids);
    EXPECT_EQ(ids, expected) << "k " << k << " of " << vocab;
  }
}

// The cut by a full sort and exact integer sums.
std::vector<std::int32_t> nucleus(std::vector<Candidate> all, float top_p) {
  std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  });
  __extension__ using Wide = unsigned __int128;
  const auto share = static_cast<std::uint64_t>(static_cast<double>(top_p) * 0x1p32);
  const Wide limit = static_cast<Wide>(total_weight(all)) * share;
  std::vector<std::int32_t> ids;
  Wide before = 0;
  for (const Candidate& candidate : all) {
    if (!ids.empty() && (before << 32) >= limit) break;
    ids.push_back(candidate.id);
    before += candidate.weight;
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

TEST(Sampler, TopPEqualsAFullSort) {
  Rng rng(4);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Candidate> candidates;
    const auto count = 1 + rng.below(round % 20 == 0 ? 3000 : 40);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t weight =
          round % 2 == 0 ? 1 + rng.below(6) : rng.bits() >> (20 + rng.below(40));
      candidates.push_back({weight, 0, static_cast<std::int32_t>(i)});
    }
    candidates[0].weight += 1;
    const auto top_p = static_cast<float>(rng.below(5) == 0 ? rng.below(2) : rng.uniform());
    const std::vector<std::int32_t> expected = nucleus(candidates, top_p);
    keep_top_p(candidates, top_p);
    std::vector<std::int32_t> ids;
    for (const Candidate& candidate : candidates) ids.push_back(candidate.id);
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(ids, expected) << "top_p " << top_p << " of " << count;
  }
}

// The cuts over a whole vocabulary keep what the cuts over a list keep.
TEST(Sampler, DenseCutsEqualListCuts) {
  Rng rng(8);
  for (int round = 0; round < 2000; ++round) {
    std::vector<float> dense(1 + rng.below(round % 20 == 0 ? 5000 : 60));
    for (float& value : dense) {
      const double wide = std::exp(-rng.uniform() * 40);
      value = rng.below(3) == 0 ? 0.25f : rng.below(6) == 0 ? 0 : static_cast<float>(wide);
    }
    dense[rng.below(dense.size())] = 1;
    std::vector<Candidate> list;
    for (std::size_t i = 0; i < dense.size(); ++i) {
      const std::uint64_t weight = weight_of(dense[i]);
      if (weight > 0) list.push_back({weight, 0, static_cast<std::int32_t>(i)});
    }
    const auto share = static_cast<float>(rng.below(5) == 0 ? rng.below(2) : rng.uniform());
    if (round % 2 == 0) {
      keep_top_p(list, share);
      keep_top_p(std::span<float>(dense), share);
    } else {
      keep_min_p(list, share);
      keep_min_p(std::span<float>(dense), share);
    }
    std::vector<std::int32_t> ids, dense_ids;
    for (const Candidate& candidate : list) ids.push_back(candidate.id);
    std::sort(ids.begin(), ids.end());
    for (std::size_t i = 0; i < dense.size(); ++i) {
      if (weight_of(dense[i]) > 0) dense_ids.push_back(static_cast<std::int32_t>(i));
    }
    ASSERT_EQ(dense_ids, ids) << "round " << round << " share " << share;
  }
}

TEST(Sampler, LogprobsAreTheRawLogSoftmax) {
  Rng rng(5);
  for (int round = 0; round < 50; ++round) {
    const int vocab = 2 + static_cast<int>(rng.below(300));
    const std::vector<float> logits = random_logits(rng, vocab, 30);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    SamplingParams params;
    params.temperature = 2;
    params.logprobs = 5;
    params.logit_bias = {{0, 50.0f}};
    params.presence_penalty = 1;
    const Sampler sampler(params, {}, {}, rng.bits());
    SamplerScratch scratch;
    const auto token = sampler.sample(scalar(), logits, round, scratch);
    ASSERT_TRUE(token);
    EXPECT_NEAR(token->logprob, logits[token->id] - std::log(sum), 1e-5);
    ASSERT_EQ(token->top.size(), std::min<std::size_t>(5, logits.size()));
    double mass = 0;
    for (std::size_t i = 0; i < token->top.size(); ++i) {
      const TokenLogprob& top = token->top[i];
      EXPECT_EQ(top.rank, static_cast<int>(i) + 1);
      EXPECT_NEAR(top.logprob, logits[top.id] - std::log(sum), 1e-5);
      if (top.id == token->id) {
        EXPECT_EQ(top.rank, token->rank);
      }
      mass += std::exp(static_cast<double>(top.logprob));
    }
    EXPECT_LE(mass, 1 + 1e-4);
  }
}

// The reference distribution says what is told; the draw itself must not know that it is watched.
TEST(Sampler, LogprobsOfTheDrawAreThoseOfWhatWasLeft) {
  Rng rng(21);
  for (int round = 0; round < 60; ++round) {
    const std::vector<float> logits = random_logits(rng, 50, 3);
    SamplingParams params;
    params.temperature = 0.5f + static_cast<float>(rng.uniform());
    if (round % 2 == 0) params.top_p = 0.8f;
    if (round % 3 == 0) params.top_k = 8;
    if (round % 5 == 0) params.typical_p = 0.7f;
    params.logprobs = 5;
    SamplingParams watched = params;
    watched.logprobs_drawn = true;
    const std::uint64_t seed = rng.bits();
    SamplerScratch scratch;
    const auto plain = Sampler(params, {}, {}, seed).sample(scalar(), logits, round, scratch);
    const auto told = Sampler(watched, {}, {}, seed).sample(scalar(), logits, round, scratch);
    ASSERT_EQ(told->id, plain->id);
    const std::vector<double> p = oracle(params, logits, {}, {});
    EXPECT_NEAR(std::exp(told->logprob), p[static_cast<std::size_t>(told->id)], 1e-5);
    ASSERT_FALSE(told->top.empty());
    float before = 0;
    for (const TokenLogprob& other : told->top) {
      EXPECT_NEAR(std::exp(other.logprob), p[static_cast<std::size_t>(other.id)], 1e-5);
      EXPECT_LE(other.logprob, before);
      before = other.logprob;
    }
    const auto left = std::count_if(p.begin(), p.end(), [](double x) { return x > 0; });
    EXPECT_EQ(told->top.size(), static_cast<std::size_t>(std::min<std::ptrdiff_t>(5, left)));
  }
}

TEST(Sampler, WhatIsTakenForSureHasTheProbabilityOne) {
  Rng rng(22);
  const std::vector<float> logits = random_logits(rng, 50, 3);
  SamplingParams params;
  params.temperature = 0;
  params.logprobs = 3;
  params.logprobs_drawn = true;
  SamplerScratch scratch;
  const Sampler sampler(params, {}, {}, 1);
  for (const OutputToken& token : {*sampler.sample(scalar(), logits, 0, scratch),
                                   sampler.take(scalar(), logits, 7)}) {
    EXPECT_EQ(token.logprob, 0);
    EXPECT_EQ(token.rank, 1);
    ASSERT_EQ(token.top.size(), 1u);
    EXPECT_EQ(token.top[0].id, token.id);
  }
  params.temperature = 1;
  params.top_k = 2;
  params.min_keep = 1;  // by llama.cpp's chain
  ASSERT_TRUE(params.uses_chain());
  EXPECT_EQ(Sampler(params, {}, {}, 1).sample(scalar(), logits, 0, scratch)->top.size(), 2u);
}

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  SamplingParams params;
  params.temperature = 0;
  Sampler sampler(params, {}, {}, 1);
  SamplerScratch scratch;
  std::vector<float> logits = {0, 7, 3, 7, 7};
  EXPECT_EQ(sampler.sample(scalar(), logits, 0, scratch)->id, 1);
  logits.assign(5, -kInfinity);
  logits[3] = -1e30f;
  EXPECT_EQ(sampler.sample(scalar(), logits, 0, scratch)->id, 3);
}

TEST(Sampler, OneFiniteLogitIsAlwaysDrawn) {
  for (const float temperature : {0.0f, 1e-30f, 0.7f, 1e30f}) {
    for (const float top_p : {0.0f, 0.5f, 1.0f}) {
      SamplingParams params;
      params.temperature = temperature;
      params.top_p = top_p;
      params.typical_p = top_p;
      params.min_p = top_p;
      const Sampler sampler(params, {}, {}, 9);
      SamplerScratch scratch;
      std::vector<float> logits(40, -kInfinity);
      logits[17] = 3e38f;
      for (int position = 0; position < 20; ++position) {
        EXPECT_EQ(sampler.sample(scalar(), logits, position, scratch)->id, 17);
      }
    }
  }
}

TEST(Sampler, NothingLeftIsAnErrorThatSaysWhy) {
  SamplingParams params;
  params.max_tokens = 4;
  params.min_tokens = 2;
  params.allowed_token_ids = {3};
  Sampler sampler(params, {}, {3}, 1);
  SamplerScratch scratch;
  const std::vector<float> logits(8, 0.0f);
  const auto token = sampler.sample(scalar(), logits, 0, scratch);
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(token.error().param, "min_tokens");
  sampler.accept(0);
  sampler.accept(0);
  EXPECT_EQ(sampler.sample(scalar(), logits, 2, scratch)->id, 3);  // the ban is over
}

TEST(Sampler, MinTokensBansEveryEndBefore) {
  SamplingParams params;
  params.max_tokens = 10;
  params.min_tokens = 5;
  Sampler sampler(params, {}, {2, 4}, 77);
  SamplerScratch scratch;
  std::vector<float> logits(6, 0.0f);
  logits[2] = 30;
  logits[4] = 30;
  for (int made = 0; made < 5; ++made) {
    const auto token = sampler.sample(scalar(), logits, made, scratch);
    EXPECT_NE(token->id, 2);
    EXPECT_NE(token->id, 4);
    sampler.accept(token->id);
  }
  const auto token = sampler.sample(scalar(), logits, 5, scratch);
  EXPECT_TRUE(token->id == 2 || token->id == 4);
}

TEST(Sampler, PenaltiesNeverReachInfinity) {
  SamplingParams params;
  params.repetition_penalty = 1e30f;
  Sampler sampler(params, std::vector<std::int32_t>{0, 1, 2, 3}, {}, 1);
  SamplerScratch scratch;
  const std::vector<float> logits = {-3e38f, 3e38f, -3e38f, -3e38f};
  EXPECT_TRUE(sampler.sample(scalar(), logits, 0, scratch));
}

TEST(Sampler, EveryInstructionSetDrawsTheSame) {
  Rng rng(6);
  for (const kernels::Isa isa : {kernels::Isa::kAvx2, kernels::Isa::kAvx512}) {
    if (!kernels::isa_supported(isa)) continue;
    for (int round = 0; round < 200; ++round) {
      const std::vector<float> logits =
          random_logits(rng, 1 + static_cast<int>(rng.below(3000)), 40);
      SamplingParams params;
      params.temperature = 0.2f + static_cast<float>(rng.uniform());
      params.logprobs = 3;
      if (round % 2 == 0) params.top_p = 0.9f;
      if (round % 3 == 0) params.top_k = 40;
      if (round % 5 == 0) params.typical_p = 0.8f;
      const Sampler sampler(params, {}, {}, rng.bits());
      SamplerScratch scratch;
      const auto a = sampler.sample(scalar(), logits, round, scratch);
      const auto b = sampler.sample(kernels::kernels(isa), logits, round, scratch);
      EXPECT_EQ(a->id, b->id);
      EXPECT_EQ(a->logprob, b->logprob);
      EXPECT_EQ(a->rank, b->rank);
    }
  }
}

TEST(Sampler, DrawsDependOnSeedAndPositionAlone) {
  Rng rng(7);
  const std::vector<float> logits = random_logits(rng, 200, 2);
  const SamplingParams params;
  SamplerScratch scratch;
  const Sampler a(params, {}, {}, 5);
  Sampler b(params, {}, {}, 5);
  const Sampler c(params, {}, {}, 6);
  int equal_to_c = 0;
  for (int position = 99; position >= 0; --position) {  // another order, another history
    const std::int32_t id = a.sample(scalar(), logits, position, scratch)->id;
    EXPECT_EQ(b.sample(scalar(), logits, position, scratch)->id, id);
    b.accept(id);
    equal_to_c += c.sample(scalar(), logits, position, scratch)->id == id ? 1 : 0;
  }
  EXPECT_LT(equal_to_c, 20);
  EXPECT_EQ(choice_seed(5, 0), 5u);
  EXPECT_NE(choice_seed(5, 1), choice_seed(5, 2));
  EXPECT_NE(choice_seed(5, 1), choice_seed(6, 1));
}

TEST(SamplingParams, RefusesByNameValueAndLimit) {
  const auto refused = [](auto&& change) {
    SamplingParams params;
    change(params);
    const Status status = validate(params, {.vocab = 10, .logprobs_max = 20});
    return status ? std::string() : status.error().param;
  };
  const float nan = std::nanf("");
  EXPECT_EQ(refused([](SamplingParams&) {}), "");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.temperature = nan; }), "temperature");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.temperature = -1; }), "temperature");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.temperature = kInfinity; }), "temperature");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.top_p = 1.5f; }), "top_p");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.top_p = nan; }), "top_p");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.top_k = -2; }), "top_k");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.min_p = -0.1f; }), "min_p");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.typical_p = 2; }), "typical_p");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.repetition_penalty = 0; }), "repetition_penalty");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.presence_penalty = 3; }), "presence_penalty");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.frequency_penalty = -3; }), "frequency_penalty");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.logit_bias = {{10, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.logit_bias = {{1, 101.0f}}; }), "logit_bias");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.allowed_token_ids = {-1}; }), "allowed_token_ids");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.stop_token_ids = {10}; }), "stop_token_ids");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.stop = {""}; }), "stop");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.stop.assign(17, "x"); }), "stop");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.stop = {std::string(257, 'x')}; }), "stop");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.max_tokens = -1; }), "max_tokens");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.min_tokens = 17; }), "min_tokens");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.logprobs = 21; }), "logprobs");
  EXPECT_EQ(refused([&](SamplingParams& p) { p.prompt_logprobs = -2; }), "prompt_logprobs");
}

}  // namespace
}  // namespace quire::engine
