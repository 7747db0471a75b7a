// The byte strings of a vocabulary, and its tokens sorted by how they begin with plain text.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/grammar/byte_trie.h"

namespace quire::grammar {

// One bit per token id.
using TokenMask = std::vector<std::uint64_t>;
inline bool mask_allows(const TokenMask& mask, std::int32_t id) {
  return (mask[static_cast<std::size_t>(id) / 64] >> (id % 64)) & 1;
}
inline void mask_allow(TokenMask& mask, std::int32_t id) {
  mask[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
}

// A vocabulary seen from inside a run of text: each token is some characters of the run, the rest
// begins with something else. Immutable.
struct TextSplit {
  AsciiSet ascii;
  bool wide = false;
  // Element l: the tokens without a rest that have at most l characters.
  std::vector<TokenMask> whole;
  // Element l: the rests of the tokens that have l characters before.
  std::vector<ByteTrie> rests;
  // Tokens with more than TextRuns::kLengthMax characters of the run in front.
  std::vector<std::int32_t> long_ids;
};

// Built once per tokenizer. Thread-safe.
class TokenTrie {
 public:
  // bytes[id] is what token id adds to the text; an id without bytes is in no grammar.
  explicit TokenTrie(std::span<const std::string> bytes);

  const ByteTrie& trie() const { return trie_; }
  std::int32_t vocab_size() const { return static_cast<std::int32_t>(bytes_.size()); }
  const std::string& bytes(std::int32_t id) const { return bytes_[static_cast<std::size_t>(id)]; }
  std::size_t mask_words() const { return (bytes_.size() + 63) / 64; }
  // Null when nobody asked for the run's characters before: what is wanted once is not worth it.
  std::shared_ptr<const TextSplit> split(const TextRun& run) const;
  // Makes the split of the run's characters now: some 10 ms for 150,000 tokens.
  void prepare(const TextRun& run) const;

 private:
  TextSplit make_split(const TextRun& run) const;

  std::vector<std::string> bytes_;
  ByteTrie trie_;

  struct Wanted {
    AsciiSet ascii;
    bool wide = false;
    std::shared_ptr<const TextSplit> split;  // null: wanted once
  };
  static constexpr std::size_t kSplitsMax = 32;
  Wanted* find(const TextRun& run) const;  // with mutex_ held; moved to the end
  mutable std::mutex mutex_;
  mutable std::vector<Wanted> wanted_;  // the latest used last
};

}  // namespace quire::grammar
