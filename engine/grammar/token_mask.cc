// Preorder walk of the token trie; a subtree that is text inside a run is taken whole.
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
  add_nodes(order);
  find_text();
}

void TokenTrie::add_nodes(const std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> path;  // nodes from the root to the last token's end
  const auto pop_to = [&](std::size_t depth) {
    while (path.size() > depth) {
      nodes_[static_cast<std::size_t>(path.back())].subtree_end =
          static_cast<std::int32_t>(nodes_.size());
      path.pop_back();
    }
  };
  const std::string* previous = nullptr;
  for (const std::int32_t id : order) {
    const std::string& token = bytes_[static_cast<std::size_t>(id)];
    std::size_t shared = 0;
    if (previous != nullptr) {
      const std::size_t limit = std::min(previous->size(), token.size());
      while (shared < limit && (*previous)[shared] == token[shared]) ++shared;
    }
    pop_to(shared);
    for (std::size_t i = shared; i < token.size(); ++i) {
      path.push_back(static_cast<std::int32_t>(nodes_.size()));
      nodes_.push_back({.token_begin = static_cast<std::int32_t>(token_ids_.size()),
                        .depth = static_cast<std::uint16_t>(i + 1),
                        .byte = static_cast<std::uint8_t>(token[i])});
    }
    token_ids_.push_back(id);
    previous = &token;
  }
  pop_to(0);
  const auto count = static_cast<std::int32_t>(nodes_.size());
  nodes_.push_back(
      {.subtree_end = count, .token_begin = static_cast<std::int32_t>(token_ids_.size())});
}

int TokenTrie::text_behind(std::size_t node, int left, std::uint8_t first,
                           std::uint8_t last) const {
  int longest = 0;
  const auto end = static_cast<std::size_t>(nodes_[node].subtree_end);
  for (std::size_t child = node + 1; child < end;
       child = static_cast<std::size_t>(nodes_[child].subtree_end)) {
    int length = nodes_[child].text_length;
    if (left > 0) {
      if (nodes_[child].byte < first || nodes_[child].byte > last) return kNotText;
      length = text_behind(child, left - 1, 0x80, 0xBF);
    }
    if (length == kNotText) return kNotText;
    longest = std::max(longest, length);
  }
  return longest;
}

// From the last node to the first, so that children come before their parents.
void TokenTrie::find_text() {
  ascii_.resize(nodes_.size());
  for (std::size_t at = nodes_.size() - 1; at-- > 0;) {
    Node& node = nodes_[at];
    const WideForm* form = wide_form_of(node.byte);
    node.wide = form != nullptr;
    if (node.byte < 0x80) ascii_[at].set(node.byte);
    const auto end = static_cast<std::size_t>(node.subtree_end);
    for (std::size_t child = at + 1; child < end;
         child = static_cast<std::size_t>(nodes_[child].subtree_end)) {
      ascii_[at] |= ascii_[child];
      node.wide |= nodes_[child].wide;
    }
    int behind = kNotText;
    if (node.byte < 0x80) {
      behind = text_behind(at, 0, 0, 0);
    } else if (form != nullptr) {
      behind = text_behind(at, form->rest + 1, form->second_first, form->second_last);
    }
    node.text_length = static_cast<std::uint8_t>(std::min<int>(behind + 1, kNotText));
  }
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

void TokenGrammar::allow(std::int32_t token_begin, std::int32_t token_end, TokenMask& mask) const {
  const auto ids = trie_->token_ids();
  for (std::int32_t i = token_begin; i < token_end; ++i) {
    const std::int32_t id = ids[static_cast<std::size_t>(i)];
    mask[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
  }
}

bool TokenGrammar::compute_mask(MatchState state, TokenMask& mask) {
  const auto nodes = trie_->nodes();
  const auto ascii = trie_->ascii();
  struct Step {
    MatchState state;
    TextRun run;
  };
  std::vector<Step> path = {{state, runs_.of(state)}};  // by depth
  const std::size_t count = nodes.size() - 1;
  for (std::size_t at = 0; at < count;) {
    const TokenTrie::Node& node = nodes[at];
    path.resize(node.depth);
    const TextRun& run = path.back().run;
    const auto end = static_cast<std::size_t>(node.subtree_end);
    if (node.text_length <= run.length_max && (run.wide || !node.wide) &&
        (ascii[at] & ~run.ascii).none()) {
      allow(node.token_begin, nodes[end].token_begin, mask);
      at = end;
      continue;
    }
    if (automaton_.size() > kSizeMax) return false;
    const MatchState next = automaton_.step(path.back().state, node.byte);
    if (next == kDead) {
      at = end;
      continue;
    }
    allow(node.token_begin, nodes[at + 1].token_begin, mask);
    ++at;
    if (at < end) path.push_back({next, runs_.of(next)});
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
  std::size_t at = 0, end = nodes.size() - 1;
  for (const char c : bytes) {
    while (at < end && nodes[at].byte != static_cast<std::uint8_t>(c)) {
      at = static_cast<std::size_t>(nodes[at].subtree_end);
    }
    if (at >= end) break;
    const TokenTrie::Node& node = nodes[at];
    if (nodes[at + 1].token_begin > node.token_begin) {
      best = trie_->token_ids()[static_cast<std::size_t>(node.token_begin)];
    }
    end = static_cast<std::size_t>(node.subtree_end);
    ++at;
  }
  return best;
}

}  // namespace quire::grammar
