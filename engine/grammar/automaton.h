// A grammar compiled to a recursive transition network, and the lazy deterministic automaton over
// its configurations that matches bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "engine/grammar/grammar.h"

namespace quire::grammar {

// Immutable. Each rule is a small nondeterministic automaton; a call edge enters another rule and
// comes back to its return state.
struct Network {
  struct ByteEdge {
    ByteSet bytes;
    std::int32_t target = 0;
  };
  struct CallEdge {
    std::int32_t start = 0, back = 0;
  };
  struct State {
    std::vector<ByteEdge> bytes;
    std::vector<std::int32_t> epsilons;
    std::vector<CallEdge> calls;
    bool final = false;      // the rule may end here
    bool only_ends = false;  // nothing but the rule's end can follow
  };
  std::vector<State> states;
  std::int32_t start = 0;
};

// Refuses undefined rules, left recursion (by name) and more states than the limit.
Result<Network> compile(const Grammar& grammar, const GrammarLimits& limits);

// Handle of a set of configurations (state, stack). Interned: equal sets have equal handles, so a
// matcher's whole state is one number and rolling back is keeping the old number.
using MatchState = std::int32_t;
inline constexpr MatchState kDead = -1;

// Deterministic automaton, built while it is used. One thread at a time (the engine's).
class Automaton {
 public:
  explicit Automaton(std::shared_ptr<const Network> network);

  MatchState start() const { return start_; }
  // kDead when no text of the grammar continues with this byte. An ambiguity beyond
  // kConfigurationsMax configurations also ends here.
  MatchState step(MatchState state, std::uint8_t byte);
  bool accepts(MatchState state) const;  // the text so far is complete
  // True when some byte may follow.
  bool can_continue(MatchState state);
  // Bytes that may follow.
  const ByteSet& live(MatchState state);
  // Every byte that the state tells no more apart from `byte` than the grammar's byte sets do: all
  // lead to the same state.
  ByteSet alike(MatchState state, std::uint8_t byte) const;
  std::size_t state_count() const { return sets_.size(); }
  std::size_t size() const { return sets_.size() + frames_.size(); }

  static constexpr std::size_t kConfigurationsMax = 4096;

 private:
  using FrameId = std::int32_t;  // -1: the bottom
  struct Frame {
    std::int32_t back = 0;
    FrameId parent = -1;
    bool operator==(const Frame&) const = default;
  };
  struct Configuration {
    std::int32_t state = 0;
    FrameId frame = -1;
    auto operator<=>(const Configuration&) const = default;
  };
  struct Set {
    std::vector<Configuration> configurations;  // sorted; only states with byte edges
    bool accepting = false;
    std::array<MatchState, 256> next;  // kUnknown until asked
    bool live_known = false;
    ByteSet live;
  };
  static constexpr MatchState kUnknown = -2;

  struct FrameHash {
    std::size_t operator()(const Frame& frame) const;
  };
  struct SetHash {
    std::size_t operator()(const std::vector<Configuration>& set) const;
  };

  FrameId push(const Frame& frame);
  // Everything reachable without a byte; interned.
  MatchState close(std::vector<Configuration> seeds);

  std::shared_ptr<const Network> network_;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, FrameId, FrameHash> frame_ids_;
  std::vector<std::unique_ptr<Set>> sets_;
  std::unordered_map<std::size_t, std::vector<MatchState>> set_ids_;
  MatchState start_ = kDead;
};

}  // namespace quire::grammar
