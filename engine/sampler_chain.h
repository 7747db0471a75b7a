// llama.cpp's chain of samplers: cuts and bends in the order that a request gives, mirostat, and
// adaptive-p. Sources: its sampling code of 2026; mirostat is arXiv:2007.14966, algorithms 1 and 2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling.h"
#include "engine/token_select.h"

namespace quire::engine {

// What is drawn, and its probability among the tokens that were left (before adaptive-p bent
// them): all that the chain needs to know of it later.
struct ChainDraw {
  std::int32_t id = -1;
  float probability = 0;
};

// State of one choice: a function of its accepted tokens' probabilities.
class SamplerChain {
 public:
  // params must outlive the chain.
  explicit SamplerChain(const SamplingParams& params);

  // logits: [V] after penalties and bans, at least one above -infinity. seed, position: of the
  // draw.
  ChainDraw draw(std::span<const float> logits, std::uint64_t seed, std::uint64_t position,
                 std::vector<Candidate>& candidates) const;
  // probability: of the accepted token as draw() told it.
  void accept(float probability);
  float mu() const { return mu_; }

 private:
  void gather(std::span<const float> logits, std::vector<Candidate>& candidates) const;
  void apply(ChainStep step, std::uint64_t seed, std::uint64_t position,
             std::vector<Candidate>& candidates) const;
  void scale(std::vector<Candidate>& candidates) const;
  void cut_by_mirostat(std::vector<Candidate>& candidates, std::size_t vocab) const;
  ChainDraw draw_adaptive(std::vector<Candidate>& candidates, std::uint64_t bits) const;

  const SamplingParams* params_;
  float mu_ = 0;
  float weighted_sum_ = 0, total_weight_ = 0;
};

}  // namespace quire::engine
