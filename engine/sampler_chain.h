// llama.cpp's chain of samplers: cuts and bends in the order that a request gives, mirostat, and
// adaptive-p. Sources: its sampling code of 2026; mirostat is arXiv:2007.14966, algorithms 1 and 2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling.h"
#include "engine/token_select.h"
#include "kernels/kernels.h"

namespace quire::engine {

// What is drawn, and its probability among the tokens that were left (before adaptive-p bent
// them): all that the chain needs to know of it later.
struct ChainDraw {
  std::int32_t id = -1;
  float probability = 0;
};

// The tokens that one draw may still take, ascending by ids; their score is the logit, bent by the
// steps so far.
struct ChainRow {
  std::vector<Candidate>& candidates;
  std::vector<float>& values;  // scratch
  const kernels::Kernels& kernels;
  std::uint64_t seed = 0, position = 0;  // of the draw

  // Weights from the scores.
  void weigh();
};

// State of one choice: a function of its accepted tokens' probabilities.
class SamplerChain {
 public:
  // params must outlive the chain.
  explicit SamplerChain(const SamplingParams& params);

  // logits: [V] after penalties and bans, at least one above -infinity. The row comes empty.
  ChainDraw draw(std::span<const float> logits, ChainRow& row) const;
  // probability: of the accepted token as draw() told it.
  void accept(float probability);
  float mu() const { return mu_; }

 private:
  void apply(ChainStep step, ChainRow& row) const;
  void scale(ChainRow& row) const;
  void cut_by_mirostat(ChainRow& row, std::size_t vocab) const;
  ChainDraw draw_adaptive(ChainRow& row, std::uint64_t bits) const;

  const SamplingParams* params_;
  float mu_ = 0;
  float weighted_sum_ = 0, total_weight_ = 0;
};

}  // namespace quire::engine
