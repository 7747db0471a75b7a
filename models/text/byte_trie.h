// Finds every token that a text starts with.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace quire::text {

class ByteTrie {
 public:
  ByteTrie() = default;
  // Tokens are distinct and not empty; they need not outlive the call.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> tokens);

  // Calls `use(length in bytes, id)` for each token that `text` starts with, shortest first.
  template <class Use>
  void each_prefix(std::string_view text, Use use) const {
    std::int64_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<unsigned char>(text[i]));
      if (node < 0) return;
      if (nodes_[static_cast<std::size_t>(node)].id >= 0) {
        use(i + 1, nodes_[static_cast<std::size_t>(node)].id);
      }
    }
  }

 private:
  // In breadth-first order: the children of a node lie side by side, sorted by label.
  struct Node {
    std::uint32_t children_begin = 0;
    std::uint16_t children_count = 0;
    std::int32_t id = -1;
  };

  std::int64_t child(std::int64_t node, unsigned char byte) const {
    const Node& parent = nodes_[static_cast<std::size_t>(node)];
    if (parent.children_count == 0) return -1;
    const unsigned char* labels = labels_.data() + parent.children_begin;
    const void* found = std::memchr(labels, byte, parent.children_count);
    if (found == nullptr) return -1;
    return parent.children_begin + (static_cast<const unsigned char*>(found) - labels);
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<unsigned char> labels_;  // of each node
};

}  // namespace quire::text
