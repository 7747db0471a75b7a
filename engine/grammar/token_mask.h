// Which tokens of a vocabulary may come next in a grammar: a byte trie walked by the automaton.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/grammar/automaton.h"
#include "engine/grammar/text_run.h"

namespace quire::grammar {

// The byte strings of a vocabulary as a trie in preorder, built once per tokenizer. Immutable.
class TokenTrie {
 public:
  // bytes[id] is what token id adds to the text; an id without bytes is in no grammar.
  explicit TokenTrie(std::span<const std::string> bytes);

  struct Node {
    std::int32_t subtree_end = 0;  // index behind the last node below
    std::int32_t token_begin = 0;  // ids ending here: token_ids()[token_begin, next node's begin)
    std::uint16_t depth = 0;       // bytes from the root
    std::uint8_t byte = 0;         // on the edge from the parent
    // When the subtree, own edge included, is UTF-8 text (perhaps cut inside a last character): the
    // most characters on one of its paths, up to 254. Else kNotText.
    std::uint8_t text_length = 0;
    bool wide = false;  // has characters of several bytes
  };
  static constexpr std::uint8_t kNotText = 255;
  // Preorder; the root is left out, and one more node stands behind the last.
  std::span<const Node> nodes() const { return nodes_; }
  // Of each node: the ASCII characters on the edges of the subtree, own edge included.
  std::span<const AsciiSet> ascii() const { return ascii_; }
  // In preorder, so that the tokens of a subtree are consecutive.
  std::span<const std::int32_t> token_ids() const { return token_ids_; }
  std::int32_t vocab_size() const { return vocab_size_; }
  const std::string& bytes(std::int32_t id) const { return bytes_[static_cast<std::size_t>(id)]; }

 private:
  void add_nodes(const std::vector<std::int32_t>& order);
  void find_text();
  // What the children of a node inside a character say: still `left` bytes of it to come, the next
  // one in [first, last]. The longest text behind it, kNotText when one is no such byte.
  int text_behind(std::size_t node, int left, std::uint8_t first, std::uint8_t last) const;

  std::vector<std::string> bytes_;
  std::vector<Node> nodes_;
  std::vector<AsciiSet> ascii_;
  std::vector<std::int32_t> token_ids_;
  std::int32_t vocab_size_ = 0;
};

// One bit per token id.
using TokenMask = std::vector<std::uint64_t>;
inline bool mask_allows(const TokenMask& mask, std::int32_t id) {
  return (mask[static_cast<std::size_t>(id) / 64] >> (id % 64)) & 1;
}

// A compiled grammar over one vocabulary, with the masks of the states seen so far. One thread at
// a time. A request's place in it is one MatchState. Every method may grow the automaton; its
// owner starts a new one when size() is beyond what it wants to keep.
class TokenGrammar {
 public:
  TokenGrammar(std::shared_ptr<const Network> network, std::shared_ptr<const TokenTrie> trie)
      : automaton_(std::move(network)), runs_(automaton_), trie_(std::move(trie)) {}
  TokenGrammar(const TokenGrammar&) = delete;
  TokenGrammar& operator=(const TokenGrammar&) = delete;

  MatchState start() const { return automaton_.start(); }
  // The state after the token, kDead when it is not allowed.
  MatchState advance(MatchState state, std::int32_t token);
  // Complete: an end-of-sequence token may come.
  bool accepts(MatchState state) const { return automaton_.accepts(state); }
  // Nothing but the end can follow.
  bool is_complete(MatchState state) {
    return automaton_.accepts(state) && !automaton_.can_continue(state);
  }
  // Tokens that lead to a live state; null when the automaton grew beyond kSizeMax on the way.
  // Valid until the next call.
  const TokenMask* mask(MatchState state);
  // Bytes that the grammar leaves no choice about from here on, at most `limit`; where blanks may
  // stand too they are guessed as most JSON has them (one space behind ':' and ',', none
  // elsewhere). A guess, which need not be what comes.
  std::string likely_bytes(MatchState state, std::size_t limit);
  // The token of the trie that spells the longest beginning of `bytes`, -1 when none does.
  std::int32_t longest_token(std::string_view bytes) const;

  const TokenTrie& trie() const { return *trie_; }
  std::size_t size() const { return automaton_.size(); }  // states and stack frames
  std::size_t bytes() const;                              // of memory, about

  static constexpr std::size_t kMaskBytesMax = std::size_t{4} << 20;
  static constexpr std::size_t kSizeMax = 100'000;

 private:
  void allow(std::int32_t token_begin, std::int32_t token_end, TokenMask& mask) const;
  bool compute_mask(MatchState state, TokenMask& mask);

  Automaton automaton_;
  TextRuns runs_;
  std::shared_ptr<const TokenTrie> trie_;
  std::unordered_map<MatchState, TokenMask> masks_;
};

}  // namespace quire::grammar
