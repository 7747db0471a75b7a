// What holds a choice to its request beside sampling: the grammar and the limit on reasoning.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/grammar/matcher.h"
#include "engine/sampler.h"

namespace quire::engine {

// Counts the tokens of the reasoning and says which token is forced when they are too many.
class ReasoningCounter {
 public:
  // markers must outlive the counter.
  explicit ReasoningCounter(const ReasoningMarkers& markers)
      : markers_(&markers), open_(markers.open) {}

  void accept(std::int32_t token);
  // The token that must come next, if any.
  std::optional<std::int32_t> forced() const;
  std::int64_t count() const { return count_; }

 private:
  // `last_` ends with the marker.
  bool ends_with(const std::vector<std::int32_t>& marker) const;

  const ReasoningMarkers* markers_;
  bool open_;
  std::int64_t count_ = 0;
  std::size_t forced_ = 0;          // tokens of `end` that were forced already
  std::vector<std::int32_t> last_;  // as many as the longer marker has
};

// One choice's guidance; follows its tokens.
class Guidance {
 public:
  // request must outlive the guidance. end_ids: tokens that end the answer.
  Guidance(const GenerateRequest& request, std::vector<std::int32_t> end_ids);

  // The token of a row: the sampler's own draw where the grammar allows that token; else a second
  // draw among those that it allows. Which is why a grammar that the model follows anyway changes
  // nothing, and costs nothing but the look at one token.
  Result<OutputToken> draw(const Sampler& sampler, const kernels::Kernels& kernels,
                           std::span<const float> row, std::int64_t position,
                           SamplerScratch& scratch);
  // The drawn token became part of the answer.
  void accept(std::int32_t token);
  // The grammar allows nothing more.
  bool is_complete() const { return complete_; }
  std::int64_t reasoning_tokens() const { return reasoning_.count(); }

  // Guesses of what the grammar and the reasoning's limit leave no choice about.
  std::vector<std::int32_t> propose(const text::Tokenizer& tokenizer, int max);
  // How the last proposal fared; guesses that fail pause.
  void observe(int accepted);
  // Drops the drafts behind the first one that the grammar does not allow.
  void cut(std::vector<std::int32_t>& drafts);

 private:
  bool is_end(std::int32_t token) const;
  bool permits(std::int32_t token);

  std::vector<std::int32_t> end_ids_;
  std::optional<grammar::Matcher> matcher_;
  ReasoningCounter reasoning_;
  bool complete_ = false;
  int misses_ = 0;
  int pause_ = 0;
};

}  // namespace quire::engine
