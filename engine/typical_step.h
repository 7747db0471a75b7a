// How long a step takes as a rule: the median of the last ones, which a hiccup does not move.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace quire::engine {

class TypicalStep {
 public:
  void add(double seconds) { last_[count_++ % kSteps] = seconds; }

  // 0 before the first step.
  double seconds() const {
    std::array<double, kSteps> sorted = last_;
    const std::size_t known = std::min(count_, kSteps);
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(known / 2);
    std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(known));
    return known == 0 ? 0 : *middle;
  }

 private:
  static constexpr std::size_t kSteps = 31;
  std::array<double, kSteps> last_{};
  std::size_t count_ = 0;
};

}  // namespace quire::engine
