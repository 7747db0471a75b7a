// Preorder walk of the token trie; a subtree whose bytes all loop in one state is taken whole.
#include "engine/grammar/token_mask.h"

#include <algorithm>
#include <numeric>

namespace quire::grammar {

TokenTrie::TokenTrie(std::span<const std::string> bytes)
    : bytes_(bytes.begin(), bytes.end()), vocab_size_(static_cast<std::int32_t>(bytes.size())) {
  std::vector<std::int32_t> order;
  for (std::int32_t id = 0; id < vocab_size_; ++id) {
    if (!bytes_[static_cast<std::size_t>(id)].empty()) order.push_back(id);
  }
  const auto text = [&](std::int32_t id) -> const std::string& {
    return bytes_[static_cast<std::size_t>(id)];
  };
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return text(a) != text(b) ? text(a) < text(b) : a < b;
  });
  std::vector<std::int32_t> path;  // nodes from the root to the last token's end
  const auto pop_to = [&](std::size_t depth) {
    while (path.size() > depth) {
      Node& node = nodes_[static_cast<std::size_t>(path.back())];
      node.subtree_end = static_cast<std::int32_t>(nodes_.size());
      path.pop_back();
      if (!path.empty()) {
        Node& parent = nodes_[static_cast<std::size_t>(path.back())];
        parent.below |= node.below;
        parent.below.set(node.byte);
      }
    }
  };
  const std::string* previous = nullptr;
  for (const std::int32_t id : order) {
    const std::string& token = text(id);
    std::size_t shared = 0;
    if (previous != nullptr) {
      const std::size_t limit = std::min(previous->size(), token.size());
      while (shared < limit && (*previous)[shared] == token[shared]) ++shared;
    }
    pop_to(shared);
    for (std::size_t i = shared; i < token.size(); ++i) {
      path.push_back(static_cast<std::int32_t>(nodes_.size()));
      const auto begin = static_cast<std::int32_t>(token_ids_.size());
      nodes_.push_back({.byte = static_cast<std::uint8_t>(token[i]),
                        .depth = static_cast<std::uint16_t>(i + 1),
                        .token_begin = begin,
                        .token_end = begin,
                        .below = {}});
    }
    token_ids_.push_back(id);
    nodes_[static_cast<std::size_t>(path.back())].token_end =
        static_cast<std::int32_t>(token_ids_.size());
    previous = &token;
  }
  pop_to(0);
}

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
  TokenMask mask(static_cast<std::size_t>(trie_->vocab_size() + 63) / 64, 0);
  if (state != kDead && !compute_mask(state, mask)) return nullptr;
  return &masks_.emplace(state, std::move(mask)).first->second;
}

std::size_t TokenGrammar::bytes() const {
  constexpr std::size_t kStateBytes = 1400;  // transitions, loops and a few configurations
  return automaton_.size() * kStateBytes +
         masks_.size() * (static_cast<std::size_t>(trie_->vocab_size()) / 8 + 64);
}

bool TokenGrammar::compute_mask(MatchState state, TokenMask& mask) {
  const auto nodes = trie_->nodes();
  const auto ids = trie_->token_ids();
  const auto allow = [&](std::int32_t begin, std::int32_t end) {
    for (std::int32_t i = begin; i < end; ++i) {
      const std::int32_t id = ids[static_cast<std::size_t>(i)];
      mask[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    }
  };
  std::vector<MatchState> states = {state};  // by depth
  for (std::size_t at = 0; at < nodes.size();) {
    const TokenTrie::Node& node = nodes[at];
    states.resize(node.depth);
    if (automaton_.size() > kSizeMax) return false;
    const MatchState next = automaton_.step(states.back(), node.byte);
    const auto end = static_cast<std::size_t>(node.subtree_end);
    if (next == kDead) {
      at = end;
      continue;
    }
    if (end > at + 1 && (node.below & ~automaton_.loops(next)).none()) {
      const std::int32_t token_end =
          end < nodes.size() ? nodes[end].token_begin : static_cast<std::int32_t>(ids.size());
      allow(node.token_begin, token_end);
      at = end;
      continue;
    }
    allow(node.token_begin, node.token_end);
    states.push_back(next);
    ++at;
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
  const auto nodes = trie_->nodes();
  std::int32_t best = -1;
  std::size_t at = 0, end = nodes.size();
  for (const char c : bytes) {
    while (at < end && nodes[at].byte != static_cast<std::uint8_t>(c)) {
      at = static_cast<std::size_t>(nodes[at].subtree_end);
    }
    if (at >= end) break;
    const TokenTrie::Node& node = nodes[at];
    if (node.token_end > node.token_begin) {
      best = trie_->token_ids()[static_cast<std::size_t>(node.token_begin)];
    }
    end = static_cast<std::size_t>(node.subtree_end);
    ++at;
  }
  return best;
}

}  // namespace quire::grammar
