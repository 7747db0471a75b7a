// Cuts a growing text at the first stop string and never lets a part of one out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quire::engine {

// The match is the one that ends first; among those the one that begins first. So the answer does
// not depend on how the text was split into pieces.
class StopMatcher {
 public:
  // include: the stop string itself is let out too.
  StopMatcher(std::vector<std::string> stops, bool include)
      : stops_(std::move(stops)), include_(include) {}

  // Adds a piece; appends what is safe to show to `out`: everything but the longest suffix that
  // may begin a stop string. Returns the stop string that matched; then `out` is complete and
  // nothing may be pushed any more.
  std::optional<std::string> push(std::string_view piece, std::string& out);

  // The text ended: lets out what was held back.
  void finish(std::string& out);

 private:
  std::size_t held_suffix() const;

  std::vector<std::string> stops_;
  bool include_;
  std::string held_;
};

}  // namespace quire::engine
