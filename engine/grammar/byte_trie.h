// Byte strings of tokens as a trie in preorder, with what is known about its plain text.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/grammar/text_run.h"

namespace quire::grammar {

// Immutable.
class ByteTrie {
 public:
  struct Entry {
    std::string_view bytes;  // not empty
    std::int32_t id = 0;
  };
  // The bytes are only read here.
  explicit ByteTrie(std::vector<Entry> entries);

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
  std::size_t size() const { return nodes_.size() - 1; }
  // In preorder, so that the tokens of a subtree are consecutive.
  std::span<const std::int32_t> token_ids() const { return token_ids_; }
  // Nothing but the run's characters, at most as many as it has, stands in the node's subtree.
  bool is_inside(std::size_t node, const TextRun& run) const {
    return nodes_[node].text_length <= run.length_max && (run.wide || !nodes_[node].wide) &&
           (ascii_[node] & ~run.ascii).none();
  }

 private:
  void find_text();
  // What the children of a node inside a character say: still `left` bytes of it to come, the next
  // one in [first, last]. The longest text behind it, kNotText when one is no such byte.
  int text_behind(std::size_t node, int left, std::uint8_t first, std::uint8_t last) const;

  std::vector<Node> nodes_;
  std::vector<AsciiSet> ascii_;  // of each node: on the edges of the subtree, own edge included
  std::vector<std::int32_t> token_ids_;
};

}  // namespace quire::grammar
