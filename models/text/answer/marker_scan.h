// Finds markers in a text that comes byte by byte, holding back what may be the beginning of one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace quire::text {

inline bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// No marker of one search may be a beginning of another one.
class MarkerScan {
 public:
  // Takes one byte. Returns the index of the marker that it completes, else -1; what can no longer
  // belong to a marker is appended to `out`. Empty markers never match.
  int feed(char c, std::span<const std::string_view> markers, std::string& out) {
    held_ += c;
    for (;;) {
      bool begins = false;
      for (std::size_t i = 0; i < markers.size(); ++i) {
        if (markers[i].empty() || !markers[i].starts_with(held_)) continue;
        if (markers[i].size() == held_.size()) {
          held_.clear();
          return static_cast<int>(i);
        }
        begins = true;
      }
      if (begins || held_.empty()) return -1;
      out += held_.front();
      held_.erase(0, 1);
    }
  }
  // No marker will follow: what was held back.
  std::string take() {
    std::string out;
    out.swap(held_);
    return out;
  }
  bool holds() const { return !held_.empty(); }
  std::size_t held_bytes() const { return held_.size(); }

 private:
  std::string held_;
};

}  // namespace quire::text
