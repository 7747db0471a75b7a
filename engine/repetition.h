// Penalties on what was said before: llama.cpp's window and its DRY.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling.h"

namespace quire::engine {

// Prompt and output of one choice, as far as its penalties look back.
class Repetition {
 public:
  // params must outlive it.
  Repetition(const SamplingParams& params, std::span<const std::int32_t> prompt);

  bool active() const { return window_ || dry_; }
  void accept(std::int32_t id) {
    if (active()) tokens_.push_back(id);
  }
  // logits: [V], raised or lowered in place; positive ones are divided by repeat_penalty, others
  // multiplied.
  void penalize(std::span<float> logits) const;

 private:
  std::span<const std::int32_t> last(int count) const;  // -1: all
  void penalize_window(std::span<float> logits) const;
  void penalize_dry(std::span<float> logits) const;

  const SamplingParams* params_;
  bool window_, dry_;
  std::vector<std::int32_t> tokens_;
};

// The longest repetition, in tokens, that may reach the end of `tokens`: what stands behind the
// last breaker.
std::size_t tokens_behind_breaker(std::span<const std::int32_t> tokens,
                                  const std::vector<DryBreaker>& breakers);

// For each p from 1 on, element p: how many tokens before tokens[p] equal those at the end.
std::vector<std::size_t> suffix_lengths(std::span<const std::int32_t> tokens);

}  // namespace quire::engine
