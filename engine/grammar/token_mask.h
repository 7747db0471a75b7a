// Which tokens of a vocabulary may come next in a grammar: a byte trie walked by the automaton.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/grammar/automaton.h"

namespace quire::grammar {

// The byte strings of a vocabulary as a trie in preorder, built once per tokenizer. Immutable.
class TokenTrie {
 public:
  // bytes[id] is what token id adds to the text; empty for special tokens, which no grammar allows.
  explicit TokenTrie(std::span<const std::string> bytes);

  struct Node {
    std::uint8_t byte = 0;                        // on the edge from the parent
    std::uint16_t depth = 0;                      // bytes from the root
    std::int32_t subtree_end = 0;                 // index behind the last node below
    std::int32_t token_begin = 0, token_end = 0;  // ids ending here: token_ids()[begin, end)
    ByteSet below;  // every byte on the edges of the subtree, own edge excluded
  };
  std::span<const Node> nodes() const { return nodes_; }  // preorder, the root is left out
  // In preorder, so that the tokens of a subtree are consecutive.
  std::span<const std::int32_t> token_ids() const { return token_ids_; }
  std::int32_t vocab_size() const { return vocab_size_; }
  const std::string& bytes(std::int32_t id) const { return bytes_[static_cast<std::size_t>(id)]; }

 private:
  std::vector<std::string> bytes_;
  std::vector<Node> nodes_;
  std::vector<std::int32_t> token_ids_;
  std::int32_t vocab_size_ = 0;
};

// One bit per token id.
using TokenMask = std::vector<std::uint64_t>;
inline bool mask_allows(const TokenMask& mask, std::int32_t id) {
  return (mask[static_cast<std::size_t>(id) / 64] >> (id % 64)) & 1;
}

// A compiled grammar over one vocabulary, with the masks of the states seen so far. One thread at
// a time. A request's place in it is one MatchState.
class TokenGrammar {
 public:
  TokenGrammar(std::shared_ptr<const Network> network, std::shared_ptr<const TokenTrie> trie)
      : automaton_(std::move(network)), trie_(std::move(trie)) {}

  MatchState start() const { return automaton_.start(); }
  // The state after the token, kDead when it is not allowed.
  MatchState advance(MatchState state, std::int32_t token);
  // Complete: an end-of-sequence token may come.
  bool accepts(MatchState state) const { return automaton_.accepts(state); }
  // Tokens (special ones excluded) that lead to a live state. Valid until the next call.
  const TokenMask& mask(MatchState state);
  // Bytes that the grammar leaves no choice about from here on, at most `limit`.
  std::string forced_bytes(MatchState state, std::size_t limit);

  static constexpr std::size_t kMaskBytesMax = std::size_t{64} << 20;

 private:
  TokenMask compute_mask(MatchState state);

  Automaton automaton_;
  std::shared_ptr<const TokenTrie> trie_;
  std::unordered_map<MatchState, TokenMask> masks_;
};

}  // namespace quire::grammar
