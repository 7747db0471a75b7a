// Byte pair encoding: the merges of the file, applied by rank, leftmost first.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/text/token_model.h"

namespace quire::text {

// From a pair of ids to the rank of its merge and the id it becomes.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    std::int32_t id;
  };
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

  void reserve(std::size_t count);
  // A later rank for the same pair takes over.
  void set(std::int32_t left, std::int32_t right, Merge merge);
  Merge find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    std::size_t slot = hash(key) & mask_;
    while (slots_[slot].key != key) {
      if (slots_[slot].key == kEmpty) return {kNoRank, -1};
      slot = (slot + 1) & mask_;
    }
    return slots_[slot].merge;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge{kNoRank, -1};
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
           static_cast<std::uint32_t>(right);
  }
  static std::uint64_t hash(std::uint64_t key) {
    key *= 0x9E3779B97F4A7C15ull;
    return key ^ (key >> 32);
  }
  std::vector<Slot> slots_ = std::vector<Slot>(2);
  std::size_t mask_ = 1;
};

struct BpeOptions {
  std::string unk_token;  // empty: none
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

using MergePairs = std::vector<std::pair<std::string, std::string>>;

class Bpe final : public TokenModel {
 public:
  // Refuses merges whose parts or result the vocabulary lacks.
  static Result<std::unique_ptr<Bpe>> create(Vocab vocab, const MergePairs& merges,
                                             BpeOptions options);

  Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const override;
  const Vocab& vocab() const override { return vocab_; }
  // From now on pieces come as raw bytes, each standing for its character of the byte alphabet.
  // Same ids as mapping first; skips writing the mapped text.
  void take_raw_bytes();

 private:
  Bpe(Vocab vocab, BpeOptions options);
  Status prepare(const MergePairs& merges);
  Status encode_uncached(std::string_view piece, std::vector<std::int32_t>& ids) const;
  Status first_symbols(std::string_view piece, std::vector<std::int32_t>& symbols) const;
  Status char_symbols(std::string_view piece, std::vector<std::int32_t>& symbols) const;
  bool fallback_bytes(std::string_view text, std::vector<std::int32_t>& symbols) const;
  std::int32_t char_id(std::string_view piece, std::size_t at, std::uint32_t bytes) const;
  void merge_short(std::vector<std::int32_t>& symbols) const;
  void merge_long(std::vector<std::int32_t>& symbols) const;
  // End of the longest prefix of `text` that no merge can connect to what follows.
  std::size_t independent_prefix(std::string_view text) const;
  void find_space_joints(const MergePairs& merges);

  Vocab vocab_;
  BpeOptions options_;
  MergeTable merges_;
  std::int32_t unk_id_ = -1;
  std::vector<std::int32_t> bmp_ids_;             // of single characters below U+10000
  std::array<std::int32_t, 256> byte_ids_{};      // of the byte alphabet's characters
  std::array<std::int32_t, 256> fallback_ids_{};  // of <0x00> ...
  bool raw_bytes_ = false;
  bool byte_ids_complete_ = false;
  Vocab raw_vocab_;                 // tokens as raw bytes, only with raw bytes and ignore_merges
  bool fallback_complete_ = false;  // no character is ever unknown
  bool splits_at_spaces_ = false;
  std::vector<char32_t> joins_space_;  // characters that a merge connects to a following "▁"
  std::uint32_t cache_owner_ = 0;
};

}  // namespace quire::text
