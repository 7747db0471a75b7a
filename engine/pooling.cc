// Sums are in double and in the order of the tokens.
#include "engine/pooling.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace quire::engine {

Pooler::Range Pooler::wanted(std::int64_t position, std::int64_t count) const {
  Range range;
  switch (kind_) {
    case Pooling::kNone:
      return {};
    case Pooling::kFirst:
      range = {0, 1};
      break;
    case Pooling::kLast:
      range = {prompt_tokens_ - 1, prompt_tokens_};
      break;
    case Pooling::kMean:
      range = {0, prompt_tokens_};
      break;
  }
  range.begin = std::max({range.begin, position, kind_ == Pooling::kMean ? taken_ : 0});
  range.end = std::min(range.end, position + count);
  // A preempted prompt runs again: what was taken is not taken twice.
  if (range.begin >= range.end || (kind_ != Pooling::kMean && taken_ > 0)) return {};
  CHECK(kind_ != Pooling::kMean || range.begin == taken_, "row {} of a mean was never computed",
        taken_);
  return range;
}

bool Pooler::add(std::span<const float> rows, std::int64_t row_count) {
  const std::size_t width = rows.size() / static_cast<std::size_t>(row_count);
  sum_.resize(width, 0.0);
  for (std::int64_t row = 0; row < row_count; ++row) {
    const float* values = rows.data() + static_cast<std::size_t>(row) * width;
    for (std::size_t i = 0; i < width; ++i) {
      if (!std::isfinite(values[i])) return false;
      sum_[i] += static_cast<double>(values[i]);
    }
  }
  taken_ += row_count;
  return true;
}

std::vector<float> Pooler::result() const {
  std::vector<float> out(sum_.size());
  const double count = static_cast<double>(std::max<std::int64_t>(taken_, 1));
  std::transform(sum_.begin(), sum_.end(), out.begin(),
                 [count](double sum) { return static_cast<float>(sum / count); });
  return out;
}

}  // namespace quire::engine
