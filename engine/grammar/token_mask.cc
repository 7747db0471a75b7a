// Inside a run of text the tokens are known but for what stands behind their text; elsewhere the
// trie is walked in preorder, and a subtree that is text inside a run is taken whole.
#include "engine/grammar/token_mask.h"

#include <algorithm>

namespace quire::grammar {

MatchState TokenGrammar::advance(MatchState state, std::int32_t token) {
  const std::string& bytes = trie_->bytes(token);
  if (bytes.empty()) return kDead;
  for (const char c : bytes) {
    state = automaton_.step(state, static_cast<std::uint8_t>(c));
    if (state == kDead) break;
  }
  return state;
}

const TokenMask* TokenGrammar::mask(MatchState state) {
  if (const auto it = masks_.find(state); it != masks_.end()) return &it->second;
  const std::size_t mask_bytes = static_cast<std::size_t>(trie_->vocab_size()) / 8 + 8;
  if ((masks_.size() + 1) * mask_bytes > kMaskBytesMax) masks_.clear();
  TokenMask mask(trie_->mask_words(), 0);
  if (state != kDead && !compute_mask(state, mask)) return nullptr;
  return &masks_.emplace(state, std::move(mask)).first->second;
}

std::size_t TokenGrammar::bytes() const {
  constexpr std::size_t kStateBytes = 1400;  // transitions, loops and a few configurations
  return automaton_.size() * kStateBytes +
         masks_.size() * (static_cast<std::size_t>(trie_->vocab_size()) / 8 + 64);
}

void TokenGrammar::prepare() {
  std::vector<MatchState> reached = {automaton_.start()};
  std::vector<bool> seen;
  for (std::size_t at = 0; at < reached.size() && at < kPreparedMax; ++at) {
    const MatchState state = reached[at];
    if (state == kDead) continue;
    if (const TextRun run = runs_.of(state); wants_split(run)) trie_->prepare(run);
    ByteSet left;
    left.set();
    while (left.any()) {
      const auto byte = static_cast<std::uint8_t>(left._Find_first());
      left &= ~automaton_.alike(state, byte);
      const MatchState next = automaton_.step(state, byte);
      if (next == kDead) continue;
      if (static_cast<std::size_t>(next) >= seen.size()) {
        seen.resize(static_cast<std::size_t>(next) + 1, false);
      }
      if (!seen[static_cast<std::size_t>(next)]) reached.push_back(next);
      seen[static_cast<std::size_t>(next)] = true;
    }
  }
}

bool TokenGrammar::wants_split(const TextRun& run) {
  const bool decided = run.ends || run.length_max == TextRuns::kLengthMax;
  return decided && run.ascii.count() >= kSplitMin;
}

bool TokenGrammar::walk(const ByteTrie& trie, MatchState state, TokenMask& mask) {
  const auto nodes = trie.nodes();
  const auto ids = trie.token_ids();
  const auto allow = [&](std::int32_t begin, std::int32_t end) {
    for (std::int32_t i = begin; i < end; ++i) mask_allow(mask, ids[static_cast<std::size_t>(i)]);
  };
  struct Step {
    MatchState state;
    TextRun run;
  };
  std::vector<Step> path = {{state, runs_.of(state)}};  // by depth
  for (std::size_t at = 0; at < trie.size();) {
    const ByteTrie::Node& node = nodes[at];
    path.resize(node.depth);
    const auto end = static_cast<std::size_t>(node.subtree_end);
    if (trie.is_inside(at, path.back().run)) {
      allow(node.token_begin, nodes[end].token_begin);
      at = end;
      continue;
    }
    if (automaton_.size() > kSizeMax) return false;
    const MatchState next = automaton_.step(path.back().state, node.byte);
    if (next == kDead) {
      at = end;
      continue;
    }
    allow(node.token_begin, nodes[at + 1].token_begin);
    ++at;
    if (at < end) path.push_back({next, runs_.of(next)});
  }
  return true;
}

bool TokenGrammar::compute_mask(MatchState state, TokenMask& mask) {
  const TextRun run = runs_.of(state);
  std::shared_ptr<const TextSplit> split;
  if (wants_split(run)) split = trie_->split(run);
  if (!split) return walk(trie_->trie(), state, mask);
  const auto length = static_cast<std::size_t>(run.length_max);
  mask = split->whole[length];
  if (!run.ends) {
    for (const std::int32_t id : split->long_ids) {
      if (advance(state, id) != kDead) mask_allow(mask, id);
    }
  }
  for (std::size_t before = 0; before <= length; ++before) {
    if (!walk(split->rests[before], state, mask)) return false;
    if (before < length) state = runs_.next(state);
  }
  return true;
}

std::string TokenGrammar::likely_bytes(MatchState state, std::size_t limit) {
  std::string likely;
  while (likely.size() < limit && state != kDead && !automaton_.accepts(state)) {
    ByteSet live = automaton_.live(state);
    const bool may_be_blank = live.count() > 1 && live[' '];
    for (const char blank : {' ', '\n', '\t', '\r'}) {
      if (live.count() > 1) live.reset(static_cast<std::size_t>(blank));
    }
    const bool behind_mark = !likely.empty() && (likely.back() == ':' || likely.back() == ',');
    char next = ' ';
    if (!may_be_blank || !behind_mark) {
      if (live.count() != 1 || automaton_.size() > kSizeMax) break;
      next = static_cast<char>(live._Find_first());
    }
    likely += next;
    state = automaton_.step(state, static_cast<std::uint8_t>(next));
  }
  return likely;
}

std::int32_t TokenGrammar::longest_token(std::string_view bytes) const {
  const auto nodes = trie_->trie().nodes();
  std::int32_t best = -1;
  std::size_t at = 0, end = trie_->trie().size();
  for (const char c : bytes) {
    while (at < end && nodes[at].byte != static_cast<std::uint8_t>(c)) {
      at = static_cast<std::size_t>(nodes[at].subtree_end);
    }
    if (at >= end) break;
    const ByteTrie::Node& node = nodes[at];
    if (nodes[at + 1].token_begin > node.token_begin) {
      best = trie_->trie().token_ids()[static_cast<std::size_t>(node.token_begin)];
    }
    end = static_cast<std::size_t>(node.subtree_end);
    ++at;
  }
  return best;
}

}  // namespace quire::grammar
