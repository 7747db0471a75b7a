// Which tokens of a vocabulary may come next in a grammar: a byte trie walked by the automaton.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/grammar/automaton.h"
#include "engine/grammar/token_trie.h"

namespace quire::grammar {

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
  // Makes beforehand, off the step, what masks near the start will want of the vocabulary.
  void prepare();
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
  // With fewer characters in a run, few tokens have any of them in front.
  static constexpr std::size_t kSplitMin = 24;
  static constexpr std::size_t kPreparedMax = 300;  // states that prepare() looks at

 private:
  // The run is long enough, or its end is sharp.
  static bool wants_split(const TextRun& run);
  // Both are false when the automaton grew beyond kSizeMax on the way.
  bool walk(const ByteTrie& trie, MatchState state, TokenMask& mask);
  bool compute_mask(MatchState state, TokenMask& mask);

  Automaton automaton_;
  TextRuns runs_;
  std::shared_ptr<const TokenTrie> trie_;
  std::unordered_map<MatchState, TokenMask> masks_;
};

}  // namespace quire::grammar
