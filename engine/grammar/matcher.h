// Grammars shared by requests, and the place of one answer in its grammar.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/grammar/token_mask.h"
#include "models/text/tokenizer.h"

namespace quire::grammar {

// Thread-safe through its matchers. Its automaton grows lazily; when it has become too large it
// starts anew, and each matcher finds its place again from its own tokens.
class CompiledGrammar {
 public:
  CompiledGrammar(std::shared_ptr<const Network> network, std::shared_ptr<const TokenTrie> trie);

  std::size_t bytes() const;  // of memory, about

 private:
  friend class Matcher;
  void shrink();  // with mutex_ held

  std::shared_ptr<const Network> network_;
  std::shared_ptr<const TokenTrie> trie_;
  mutable std::mutex mutex_;
  std::optional<TokenGrammar> automaton_;
  std::uint64_t generation_ = 0;
};

// Where one answer stands: a function of the tokens accepted so far, of nothing else.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<CompiledGrammar> grammar);

  bool allows(std::int32_t token);
  // REQUIRES: allows(token).
  void accept(std::int32_t token);
  // The text so far is complete.
  bool accepts();
  // ... and nothing can follow.
  bool is_complete();
  // Every token that may come next. kInvalid when the grammar is too ambiguous to say.
  Status mask(TokenMask& mask);
  // How many of `tokens` may come next, one after the other.
  std::size_t count_allowed(const std::vector<std::int32_t>& tokens);
  // Tokens that are likely to come since the grammar leaves no real choice; at most `max`.
  std::vector<std::int32_t> likely_tokens(const text::Tokenizer& tokenizer, std::size_t max);

 private:
  // The automaton with this matcher's place in it up to date; with the mutex held.
  TokenGrammar& sync();
  MatchState append_likely(const text::Tokenizer& tokenizer, const std::string& bytes,
                           MatchState state, std::vector<std::int32_t>& out);

  std::shared_ptr<CompiledGrammar> grammar_;
  std::vector<std::int32_t> tokens_;
  MatchState state_ = kDead;
  std::uint64_t generation_ = 0;
};

// The grammars of a vocabulary, compiled on the caller's thread and kept by their text: the most
// recently used ones, within bounds on number and memory. Thread-safe.
class GrammarStore {
 public:
  // Both must outlive the store.
  GrammarStore(const text::Tokenizer& tokenizer, std::int32_t vocab)
      : tokenizer_(tokenizer), vocab_(vocab) {}

  // key names the grammar that `build` makes.
  Result<std::shared_ptr<CompiledGrammar>> get(const std::string& key,
                                               const std::function<Result<Grammar>()>& build);
  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  // What each token spells; made on first use.
  std::shared_ptr<const TokenTrie> vocabulary();
  std::size_t size() const;

  static constexpr std::size_t kGrammarsMax = 256;
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<CompiledGrammar> grammar;
  };
  std::shared_ptr<CompiledGrammar> find(const std::string& key);
  void insert(const std::string& key, const std::shared_ptr<CompiledGrammar>& grammar);

  const text::Tokenizer& tokenizer_;
  const std::int32_t vocab_;
  std::once_flag trie_once_;
  std::shared_ptr<const TokenTrie> trie_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the latest used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace quire::grammar
