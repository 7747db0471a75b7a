// Sorted strings become nodes in preorder; text is found from the leaves to the root.
#include "engine/grammar/byte_trie.h"

#include <algorithm>

namespace quire::grammar {

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.id < b.id;
  });
  std::vector<std::int32_t> path;  // nodes from the root to the last string's end
  const auto pop_to = [&](std::size_t depth) {
    while (path.size() > depth) {
      nodes_[static_cast<std::size_t>(path.back())].subtree_end =
          static_cast<std::int32_t>(nodes_.size());
      path.pop_back();
    }
  };
  std::string_view previous;
  for (const Entry& entry : entries) {
    const std::string_view bytes = entry.bytes;
    const auto differ = std::mismatch(bytes.begin(), bytes.end(), previous.begin(), previous.end());
    const auto shared = static_cast<std::size_t>(differ.first - bytes.begin());
    pop_to(shared);
    for (std::size_t i = shared; i < bytes.size(); ++i) {
      path.push_back(static_cast<std::int32_t>(nodes_.size()));
      nodes_.push_back({.token_begin = static_cast<std::int32_t>(token_ids_.size()),
                        .depth = static_cast<std::uint16_t>(i + 1),
                        .byte = static_cast<std::uint8_t>(bytes[i])});
    }
    token_ids_.push_back(entry.id);
    previous = bytes;
  }
  pop_to(0);
  const auto count = static_cast<std::int32_t>(nodes_.size());
  nodes_.push_back(
      {.subtree_end = count, .token_begin = static_cast<std::int32_t>(token_ids_.size())});
  find_text();
}

int ByteTrie::text_behind(std::size_t node, int left, std::uint8_t first, std::uint8_t last) const {
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
void ByteTrie::find_text() {
  ascii_.resize(nodes_.size());
  for (std::size_t at = size(); at-- > 0;) {
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

}  // namespace quire::grammar
