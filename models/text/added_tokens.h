// Tokens beside the model's own vocabulary, found in the text before anything else happens to it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/text/normalizer.h"
#include "models/text/pieces.h"
#include "models/text/vocab.h"

namespace quire::text {

struct AddedToken {
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = false;

  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

// Finds the longest of a set of texts at the leftmost place.
class TextFinder {
 public:
  void add(std::string_view text, std::int32_t id);
  bool empty() const { return nodes_.size() <= 1; }
  struct Found {
    std::size_t begin;
    std::size_t end;
    std::int32_t id;
  };
  // The first match that starts at or after `from`; id < 0 when there is none.
  Found find(std::string_view text, std::size_t from) const;

 private:
  struct Node {
    std::int32_t id = -1;
    std::vector<std::pair<unsigned char, std::uint32_t>> children;  // sorted by byte
  };
  const Node* child(const Node& node, unsigned char byte) const;
  std::vector<Node> nodes_{1};
  bool starts_[256] = {};
};

class AddedTokens {
 public:
  static constexpr std::size_t kContentBytesMax = 4096;

  // Gives the token the id of its content where the vocabulary or an earlier added token has it,
  // else the next free one, as the reference does. Tokens without content are passed over.
  Status add(AddedToken token, const Vocab& vocab);
  // Must come after the last add(): normalizes contents and builds the search.
  Status finish(const Normalizers& normalizers);

  // What decoding uses: the normalized content where there is one.
  const std::string* decoded(std::int32_t id) const;
  const AddedToken* find(std::int32_t id) const;
  std::int32_t find(std::string_view content) const;  // -1: none
  bool is_special(std::int32_t id) const;
  std::int32_t id_end() const;
  const std::map<std::int32_t, AddedToken>& tokens() const { return tokens_; }

  // Cuts `text` at the tokens that match before normalization, or after it. Emits pieces relative
  // to `text`, `base` bytes further on.
  enum class Stage { kRaw, kNormalized };
  struct Split {
    Stage stage;
    bool skip_special;  // special tokens in the text stay text
    std::uint32_t base;
  };
  void split(std::string_view text, const Split& how, std::vector<Piece>& out) const;
  bool has(Stage stage) const;

 private:
  std::map<std::int32_t, AddedToken> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::string, bool> special_contents_;
  std::unordered_map<std::int32_t, std::string> normalized_;
  TextFinder raw_finder_;
  TextFinder normalized_finder_;
};

}  // namespace quire::text
