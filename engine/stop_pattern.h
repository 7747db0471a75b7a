// Ends a growing text at the first match of a regular expression.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/grammar/automaton.h"

namespace quire::engine {

// A compiled expression; immutable. No backtracking: each byte is one step of an automaton.
class StopPattern {
 public:
  // kInvalid names what is wrong. A pattern that matches the empty text is refused.
  static Result<std::shared_ptr<const StopPattern>> make(const std::string& source);
  // network: of the expression behind any text.
  StopPattern(std::string source, std::shared_ptr<const grammar::Network> network)
      : source_(std::move(source)), network_(std::move(network)) {}
  const std::string& source() const { return source_; }

 private:
  friend class PatternMatcher;

  std::string source_;
  std::shared_ptr<const grammar::Network> network_;
};

// One text. Where it ends does not depend on how it is split into pieces.
class PatternMatcher {
 public:
  explicit PatternMatcher(std::shared_ptr<const StopPattern> pattern);

  // Bytes of the piece up to the end of the match that ends first; nothing while there is none.
  // kInvalid when the pattern is too ambiguous to follow.
  Result<std::optional<std::size_t>> push(std::string_view piece);

  static constexpr std::size_t kSizeMax = 20'000;  // of the automaton

 private:
  std::shared_ptr<const StopPattern> pattern_;
  grammar::Automaton automaton_;
  grammar::MatchState state_;
};

}  // namespace quire::engine
