// Logit processors and the draw; masses are integers (engine/token_select.h).
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/rng.h"

namespace quire::engine {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();
constexpr std::size_t kVocabMax = std::size_t{1} << 19;  // 2^19 * 2^44 fits 64 bits
// Masked draws take other random bits than the unmasked one at the same position.
constexpr std::uint64_t kMaskedSalt = 0x6d61736b65642121ull;
constexpr int kFewMax = 1024;       // top_k up to this is a list instead of a cut of the vocabulary
constexpr float kLogitMax = 1e37f;  // penalties may not push a logit to infinity

float score_of(float logit, float max, float temperature) {
  return std::max((logit - max) / temperature, kScoreMin);
}

void ban_outside(std::span<const std::uint64_t> mask, std::span<float> logits) {
  for (std::size_t begin = 0; begin < logits.size(); begin += 64) {
    const std::uint64_t word = begin / 64 < mask.size() ? mask[begin / 64] : 0;
    if (word == ~std::uint64_t{0}) continue;
    const std::size_t count = std::min<std::size_t>(64, logits.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      if (((word >> i) & 1) == 0) logits[begin + i] = kBanned;
    }
  }
}

// One of the candidates of a draw; those of weight 0 cannot be drawn and are not told.
OutputToken score_drawn(std::vector<Candidate> candidates, std::int32_t id, int top_count) {
  const auto total = static_cast<double>(total_weight(candidates));
  std::erase_if(candidates, [](const Candidate& c) { return c.weight == 0; });
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  });
  OutputToken token;
  token.id = id;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto share = static_cast<float>(static_cast<double>(candidates[i].weight) / total);
    const TokenLogprob told{candidates[i].id, kernels::log_f32(share), static_cast<int>(i) + 1};
    if (told.id == id) {
      token.logprob = told.logprob;
      token.rank = told.rank;
    }
    if (token.top.size() < static_cast<std::size_t>(top_count)) token.top.push_back(told);
  }
  return token;
}

}  // namespace

OutputToken score_token(const kernels::Kernels& kernels, std::span<const float> logits,
                        std::int32_t id, int top_count) {
  const auto count = static_cast<std::int64_t>(logits.size());
  const kernels::LogSum sum = kernels.log_sum(logits.data(), count);
  OutputToken token;
  token.id = id;
  token.logprob = sum.logprob(logits[static_cast<std::size_t>(id)]);
  token.rank = rank_of(logits.data(), count, id);
  std::vector<std::int32_t> best;
  top_ids(logits.data(), count, top_count, best);
  token.top.reserve(best.size());
  for (const std::int32_t other : best) {
    token.top.push_back({other, sum.logprob(logits[static_cast<std::size_t>(other)]),
                         static_cast<int>(token.top.size()) + 1});
  }
  return token;
}

Sampler::Sampler(const SamplingParams& params, std::span<const std::int32_t> prompt,
                 std::vector<std::int32_t> stop_ids, std::uint64_t seed)
    : params_(&params),
      stop_ids_(std::move(stop_ids)),
      seed_(seed),
      penalties_(params.repetition_penalty != 1 || params.presence_penalty != 0 ||
                 params.frequency_penalty != 0),
      repetition_(params, prompt),
      chain_(params) {
  if (params.repetition_penalty == 1) return;
  for (const std::int32_t id : prompt) count(id, 0);
}

void Sampler::count(std::int32_t id, int output_count) {
  const auto [entry, added] = seen_index_.try_emplace(id, seen_.size());
  if (added) seen_.push_back({id, 0});
  seen_[entry->second].output_count += output_count;
}

void Sampler::accept(std::int32_t id, float probability) {
  ++output_count_;
  if (penalties_) count(id, 1);
  repetition_.accept(id);
  if (probability >= 0) chain_.accept(probability);
  if (!params_->bad_words.empty()) output_.push_back(id);
}

bool Sampler::changes_logits() const {
  return penalties_ || !params_->logit_bias.empty() || !params_->allowed_token_ids.empty() ||
         repetition_.active() || !params_->bad_words.empty() || output_count_ < params_->min_tokens;
}

// The last token of a word whose other tokens end the output.
void Sampler::ban_words(std::span<float> logits) const {
  for (const std::vector<std::int32_t>& word : params_->bad_words) {
    if (word.size() > output_.size() + 1) continue;
    if (std::equal(word.rbegin() + 1, word.rend(), output_.rbegin())) {
      logits[static_cast<std::size_t>(word.back())] = kBanned;
    }
  }
}

void Sampler::penalize(std::span<float> logits) const {
  for (const Seen& seen : seen_) {
    float& logit = logits[static_cast<std::size_t>(seen.id)];
    const float repetition = params_->repetition_penalty;
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (seen.output_count > 0) {
      logit -= params_->frequency_penalty * static_cast<float>(seen.output_count);
      logit -= params_->presence_penalty;
    }
    logit = std::clamp(logit, -kLogitMax, kLogitMax);
  }
}

void Sampler::ban(std::span<float> logits, SamplerScratch& scratch) const {
  const std::vector<std::int32_t>& allowed = params_->allowed_token_ids;
  if (!allowed.empty()) {
    std::vector<float>& kept = scratch.probabilities;
    kept.clear();
    for (const std::int32_t id : allowed) kept.push_back(logits[static_cast<std::size_t>(id)]);
    std::fill(logits.begin(), logits.end(), kBanned);
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      logits[static_cast<std::size_t>(allowed[i])] = kept[i];
    }
  }
  if (output_count_ >= params_->min_tokens) return;
  for (const std::int32_t id : stop_ids_) logits[static_cast<std::size_t>(id)] = kBanned;
}

void Sampler::process(std::span<float> logits, std::span<const std::uint64_t> mask,
                      SamplerScratch& scratch) const {
  for (const auto& [id, bias] : params_->logit_bias) logits[static_cast<std::size_t>(id)] += bias;
  if (penalties_) penalize(logits);
  repetition_.penalize(logits);
  ban(logits, scratch);
  ban_words(logits);
  if (!mask.empty()) ban_outside(mask, logits);
}

std::int32_t Sampler::choose(const kernels::Kernels& kernels, std::span<const float> logits,
                             const Draw& draw_by, SamplerScratch& scratch) const {
  const auto count = static_cast<std::int64_t>(logits.size());
  const auto best = static_cast<std::int32_t>(kernels.argmax(logits.data(), count));
  const float max = logits[static_cast<std::size_t>(best)];
  scratch.probability = -1;
  if (max == kBanned) return -1;
  if (params_->uses_chain()) {
    ChainRow chain_row = {scratch.candidates, scratch.probabilities, kernels, draw_by.seed,
                          draw_by.position};
    const ChainDraw drawn = chain_.draw(logits, chain_row);
    scratch.probability = drawn.probability;
    return drawn.id;
  }
  if (params_->temperature == 0) {
    scratch.candidates.assign(1, {weight_of(1), 0, best});
    return best;
  }
  const std::uint64_t bits = random_bits(draw_by.seed, draw_by.position);
  const int top_k = params_->top_k > 0 && params_->top_k < count ? params_->top_k : 0;
  if (top_k > 0 && top_k <= kFewMax) return choose_of_few(logits, max, bits, scratch);

  std::vector<float>& probabilities = scratch.probabilities;
  probabilities.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    probabilities[i] = score_of(logits[i], max, params_->temperature);
  }
  kernels.activate(
      {kernels::Unary::kExp, probabilities.data(), nullptr, probabilities.data(), count});
  if (top_k > 0) keep_top_k(logits, static_cast<std::size_t>(top_k), probabilities);
  if (params_->min_p > 0) keep_min_p(std::span<float>(probabilities), params_->min_p);
  if (params_->top_p < 1) keep_top_p(std::span<float>(probabilities), params_->top_p);
  if (params_->typical_p == 1 && !params_->logprobs_drawn) return draw(probabilities, bits);
  std::vector<Candidate>& candidates = scratch.candidates;
  candidates.clear();
  candidates.reserve(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::uint64_t weight = weight_of(probabilities[i]);
    if (weight == 0) continue;
    candidates.push_back(
        {weight, score_of(logits[i], max, params_->temperature), static_cast<std::int32_t>(i)});
  }
  if (params_->typical_p < 1) keep_typical_p(candidates, params_->typical_p);
  return draw(candidates, bits);
}

// top_k first: it and min_p keep beginnings of the same order, so theirs may be swapped.
std::int32_t Sampler::choose_of_few(std::span<const float> logits, float max, std::uint64_t bits,
                                    SamplerScratch& scratch) const {
  std::vector<Candidate>& candidates = scratch.candidates;
  candidates.clear();
  top_ids(logits.data(), static_cast<std::int64_t>(logits.size()), params_->top_k, scratch.ids);
  std::sort(scratch.ids.begin(), scratch.ids.end());
  for (const std::int32_t id : scratch.ids) {
    const float score = score_of(logits[static_cast<std::size_t>(id)], max, params_->temperature);
    candidates.push_back({weight_of(kernels::exp_f32(score)), score, id});
  }
  if (params_->min_p > 0) keep_min_p(candidates, params_->min_p);
  if (params_->top_p < 1) keep_top_p(candidates, params_->top_p);
  if (params_->typical_p < 1) keep_typical_p(candidates, params_->typical_p);
  return draw(candidates, bits);
}

Result<OutputToken> Sampler::sample(const kernels::Kernels& kernels, std::span<const float> logits,
                                    std::int64_t position, SamplerScratch& scratch,
                                    std::span<const std::uint64_t> mask) const {
  CHECK(logits.size() <= kVocabMax, "vocabulary {} above {}", logits.size(), kVocabMax);
  std::span<const float> row = logits;
  if (changes_logits() || !mask.empty()) {
    scratch.logits.assign(logits.begin(), logits.end());
    process(scratch.logits, mask, scratch);
    row = scratch.logits;
  }
  const std::uint64_t seed = mask.empty() ? seed_ : mix64(seed_ ^ kMaskedSalt);
  const Draw draw_by = {seed, static_cast<std::uint64_t>(position)};
  const std::int32_t id = choose(kernels, row, draw_by, scratch);
  if (id >= 0) {
    const bool drawn = params_->logprobs_drawn && params_->logprobs >= 0;
    return drawn ? score_drawn(scratch.candidates, id, params_->logprobs)
                 : take(kernels, logits, id);
  }
  if (!mask.empty()) {
    return fail(ErrorCode::kInvalid,
                "no token is left to choose from at position {}: none that may be chosen continues "
                "the grammar",
                position);
  }
  return fail_at("min_tokens", ErrorCode::kInvalid,
                 "no token is left to choose from: the allowed ids are all end tokens, and "
                 "{} of min_tokens {} were made",
                 output_count_, params_->min_tokens);
}

OutputToken Sampler::take(const kernels::Kernels& kernels, std::span<const float> logits,
                          std::int32_t id) const {
  if (params_->logprobs < 0) return OutputToken{id, 0, 0, {}};
  if (params_->logprobs_drawn) {
    return score_drawn({{weight_of(1), 0, id}}, id, params_->logprobs);
  }
  const std::vector<std::int32_t>& named = params_->logprob_token_ids;
  OutputToken token = score_token(kernels, logits, id, named.empty() ? params_->logprobs : 0);
  for (const std::int32_t other : named) {
    const OutputToken scored = score_token(kernels, logits, other, 0);
    token.top.push_back({other, scored.logprob, scored.rank});
  }
  return token;
}

}  // namespace quire::engine
