// One vector for a whole prompt, out of the final hidden states of its rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quire::engine {

enum class Pooling {
  kNone,   // the request generates
  kFirst,  // of the first token ([CLS])
  kLast,   // of the last token
  kMean,   // of all tokens, summed in their order, so that chunks and batches do not matter
};

// Takes the rows of one prompt as the steps compute them.
class Pooler {
 public:
  Pooler(Pooling kind, std::int64_t prompt_tokens) : kind_(kind), prompt_tokens_(prompt_tokens) {}

  // Every row is needed, so none may come from the prefix cache.
  static bool reads_all(Pooling kind) { return kind == Pooling::kFirst || kind == Pooling::kMean; }

  // The rows [begin, end) of the sequence that are needed from those of a step.
  struct Range {
    std::int64_t begin = 0, end = 0;
  };
  Range wanted(std::int64_t position, std::int64_t count) const;

  // The hidden states [rows, D] of a wanted range. False when one is not finite.
  bool add(std::span<const float> rows, std::int64_t row_count);
  std::vector<float> result() const;  // [D]

 private:
  Pooling kind_;
  std::int64_t prompt_tokens_;
  std::int64_t taken_ = 0;  // rows added
  std::vector<double> sum_;
};

}  // namespace quire::engine
