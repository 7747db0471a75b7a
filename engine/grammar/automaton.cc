// Configuration sets, interned, with their transitions remembered.
#include "engine/grammar/automaton.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/rng.h"

namespace quire::grammar {

std::size_t Automaton::FrameHash::operator()(const Frame& frame) const {
  return static_cast<std::size_t>(
      mix64((static_cast<std::uint64_t>(static_cast<std::uint32_t>(frame.back)) << 32) |
            static_cast<std::uint32_t>(frame.parent)));
}

std::size_t Automaton::SetHash::operator()(const std::vector<Configuration>& set) const {
  std::uint64_t hash = set.size();
  for (const Configuration& c : set) {
    hash = mix64(hash ^ ((static_cast<std::uint64_t>(static_cast<std::uint32_t>(c.state)) << 32) |
                         static_cast<std::uint32_t>(c.frame)));
  }
  return static_cast<std::size_t>(hash);
}

Automaton::Automaton(std::shared_ptr<const Network> network) : network_(std::move(network)) {
  start_ = close({{network_->start, -1}});
}

Automaton::FrameId Automaton::push(const Frame& frame) {
  const auto [it, added] = frame_ids_.try_emplace(frame, static_cast<FrameId>(frames_.size()));
  if (added) frames_.push_back(frame);
  return it->second;
}

MatchState Automaton::close(std::vector<Configuration> seeds) {
  std::set<Configuration> seen(seeds.begin(), seeds.end());
  std::vector<Configuration> open(seen.begin(), seen.end());
  auto set = std::make_unique<Set>();
  const auto visit = [&](Configuration c) {
    if (seen.insert(c).second) open.push_back(c);
  };
  while (!open.empty()) {
    if (seen.size() > kConfigurationsMax) return kDead;
    const Configuration c = open.back();
    open.pop_back();
    const Network::State& state = network_->states[static_cast<std::size_t>(c.state)];
    if (!state.bytes.empty()) set->configurations.push_back(c);
    for (const std::int32_t target : state.epsilons) visit({target, c.frame});
    for (const Network::CallEdge& call : state.calls) {
      // A call in last position needs no frame of its own: lists written by right recursion then
      // do not grow the stack.
      const bool last = network_->states[static_cast<std::size_t>(call.back)].only_ends;
      visit({call.start, last ? c.frame : push({call.back, c.frame})});
    }
    if (state.final) {
      if (c.frame < 0) {
        set->accepting = true;
      } else {
        const Frame frame = frames_[static_cast<std::size_t>(c.frame)];
        visit({frame.back, frame.parent});
      }
    }
  }
  if (set->configurations.empty() && !set->accepting) return kDead;
  std::sort(set->configurations.begin(), set->configurations.end());
  std::vector<MatchState>& same_hash = set_ids_[SetHash()(set->configurations)];
  for (const MatchState id : same_hash) {
    const Set& other = *sets_[static_cast<std::size_t>(id)];
    if (other.accepting == set->accepting && other.configurations == set->configurations) return id;
  }
  set->next.fill(kUnknown);
  sets_.push_back(std::move(set));
  same_hash.push_back(static_cast<MatchState>(sets_.size() - 1));
  return same_hash.back();
}

ByteSet Automaton::alike(MatchState state, std::uint8_t byte) const {
  ByteSet same;
  same.set();
  if (state == kDead) return same;
  for (const Configuration& c : sets_[static_cast<std::size_t>(state)]->configurations) {
    for (const Network::ByteEdge& edge :
         network_->states[static_cast<std::size_t>(c.state)].bytes) {
      same &= edge.bytes[byte] ? edge.bytes : ~edge.bytes;
    }
  }
  return same;
}

MatchState Automaton::step(MatchState state, std::uint8_t byte) {
  if (state == kDead) return kDead;
  const MatchState known = sets_[static_cast<std::size_t>(state)]->next[byte];
  if (known != kUnknown) return known;
  std::vector<Configuration> seeds;
  for (const Configuration& c : sets_[static_cast<std::size_t>(state)]->configurations) {
    for (const Network::ByteEdge& edge :
         network_->states[static_cast<std::size_t>(c.state)].bytes) {
      if (edge.bytes[byte]) seeds.push_back({edge.target, c.frame});
    }
  }
  const MatchState next = seeds.empty() ? kDead : close(std::move(seeds));
  const ByteSet same = alike(state, byte);
  std::array<MatchState, 256>& targets = sets_[static_cast<std::size_t>(state)]->next;
  for (std::size_t b = same._Find_first(); b < 256; b = same._Find_next(b)) targets[b] = next;
  return next;
}

bool Automaton::accepts(MatchState state) const {
  return state != kDead && sets_[static_cast<std::size_t>(state)]->accepting;
}

bool Automaton::can_continue(MatchState state) { return state != kDead && live(state).any(); }

const ByteSet& Automaton::live(MatchState state) {
  CHECK(state != kDead, "nothing follows the dead state");
  Set& set = *sets_[static_cast<std::size_t>(state)];
  if (set.live_known) return set.live;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    set.live[byte] = step(state, static_cast<std::uint8_t>(byte)) != kDead;
  }
  set.live_known = true;
  return set.live;
}

}  // namespace quire::grammar
