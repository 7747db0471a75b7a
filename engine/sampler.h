// One token out of a row of logits, by the parameters and the history of one choice.
//
// Order of the steps (that of vLLM's V1 sampler): raw logprobs and ranks are taken first; then
// logit_bias, repetition, frequency and presence penalties, bans (allowed ids, min_tokens, mask),
// temperature, min_p, top_k, top_p, typical_p, the draw. Temperature 0 takes the best token after
// the bans, the lowest id among equals. llama.cpp's repeat_penalty and DRY come behind the other
// penalties. With one of llama.cpp's samplers the cuts are those of engine/sampler_chain.h.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "engine/output_token.h"
#include "engine/repetition.h"
#include "engine/sampler_chain.h"
#include "engine/sampling.h"
#include "engine/token_select.h"
#include "kernels/kernels.h"

namespace quire::engine {

// Reusable memory of sampling, one per thread that samples.
struct SamplerScratch {
  std::vector<float> logits;         // [V] after bias, penalties and bans
  std::vector<float> probabilities;  // [V] exp of the scores, before normalisation
  std::vector<Candidate> candidates;
  std::vector<std::int32_t> ids;
  std::vector<std::uint64_t> mask;  // [V / 64] of a grammar
  // Of the last token that sample() drew by a chain; negative: by none.
  float probability = -1;
};

// What the row says about one token, raw: no temperature, penalties or bias.
OutputToken score_token(const kernels::Kernels& kernels, std::span<const float> logits,
                        std::int32_t id, int top_count);

// State of one choice. A draw depends on (seed, position), the parameters, the row and the tokens
// accepted so far, on nothing else.
class Sampler {
 public:
  // params must outlive the sampler. stop_ids: every id that min_tokens bans. seed: of the choice.
  Sampler(const SamplingParams& params, std::span<const std::int32_t> prompt,
          std::vector<std::int32_t> stop_ids, std::uint64_t seed);

  // The token at `position` of the sequence from its raw row [V], every element finite. kInvalid
  // when the bans leave no token. mask: one bit for each id that may be drawn; empty: all.
  Result<OutputToken> sample(const kernels::Kernels& kernels, std::span<const float> logits,
                             std::int64_t position, SamplerScratch& scratch,
                             std::span<const std::uint64_t> mask = {}) const;

  // The token that is taken whatever the row says, with the log-probabilities that were asked for.
  OutputToken take(const kernels::Kernels& kernels, std::span<const float> logits,
                   std::int32_t id) const;

  // Tells that the token became part of the output. probability: as sample() left it in its
  // scratch, negative for a token that was not drawn.
  void accept(std::int32_t id, float probability = -1);

 private:
  // A token that penalties look at.
  struct Seen {
    std::int32_t id = 0;
    int output_count = 0;
  };

  bool changes_logits() const;
  void process(std::span<float> logits, std::span<const std::uint64_t> mask,
               SamplerScratch& scratch) const;
  void penalize(std::span<float> logits) const;
  void ban(std::span<float> logits, SamplerScratch& scratch) const;
  // Where the random bits of a draw come from.
  struct Draw {
    std::uint64_t seed = 0, position = 0;
  };
  std::int32_t choose(const kernels::Kernels& kernels, std::span<const float> logits,
                      const Draw& draw_by, SamplerScratch& scratch) const;
  std::int32_t choose_of_few(std::span<const float> logits, float max, std::uint64_t bits,
                             SamplerScratch& scratch) const;
  void count(std::int32_t id, int output_count);
  void ban_words(std::span<float> logits) const;

  const SamplingParams* params_;
  std::vector<std::int32_t> stop_ids_;
  std::uint64_t seed_;
  std::int64_t output_count_ = 0;
  bool penalties_;
  Repetition repetition_;
  SamplerChain chain_;
  std::vector<std::int32_t> output_;  // with bad_words only
  std::vector<Seen> seen_;
  std::unordered_map<std::int32_t, std::size_t> seen_index_;
};

}  // namespace quire::engine
