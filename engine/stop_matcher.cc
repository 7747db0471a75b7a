// Searches only the held-back text and the new piece; both are short.
#include "engine/stop_matcher.h"

#include <algorithm>

namespace quire::engine {

std::optional<std::string> StopMatcher::push(std::string_view piece, std::string& out) {
  if (stops_.empty()) {
    out += piece;
    return std::nullopt;
  }
  held_ += piece;
  std::size_t best_begin = std::string::npos, best_end = std::string::npos;
  const std::string* best = nullptr;
  for (const std::string& stop : stops_) {
    const std::size_t begin = held_.find(stop);
    if (begin == std::string::npos) continue;
    const std::size_t end = begin + stop.size();
    if (best != nullptr && (end > best_end || (end == best_end && begin >= best_begin))) continue;
    best_begin = begin;
    best_end = end;
    best = &stop;
  }
  if (best != nullptr) {
    out.append(held_, 0, include_ ? best_end : best_begin);
    held_.clear();
    return *best;
  }
  const std::size_t safe = held_.size() - held_suffix();
  out.append(held_, 0, safe);
  held_.erase(0, safe);
  return std::nullopt;
}

void StopMatcher::finish(std::string& out) {
  out += held_;
  held_.clear();
}

std::size_t StopMatcher::held_suffix() const {
  std::size_t longest = 0;
  const std::string_view held = held_;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held.size()); n > longest; --n) {
      if (held.substr(held.size() - n) == std::string_view(stop).substr(0, n)) {
        longest = n;
        break;
      }
    }
  }
  return longest;
}

}  // namespace quire::engine
