// Built from the sorted list: the tokens below a node are one stretch of it.
#include "models/text/byte_trie.h"

#include <algorithm>

namespace quire::text {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> tokens) {
  std::sort(tokens.begin(), tokens.end());
  // A node's tokens are tokens[begin, end), all sharing their first `depth` bytes.
  struct Span {
    std::size_t begin;
    std::size_t end;
    std::size_t depth;
  };
  std::vector<Span> spans = {{0, tokens.size(), 0}};
  labels_.assign(1, 0);
  for (std::size_t node = 0; node < spans.size(); ++node) {
    auto [begin, end, depth] = spans[node];
    if (begin < end && tokens[begin].first.size() == depth)
      nodes_[node].id = tokens[begin++].second;
    nodes_[node].children_begin = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = tokens[begin].first[depth];
      std::size_t next = begin + 1;
      while (next < end && tokens[next].first[depth] == label) ++next;
      spans.push_back({begin, next, depth + 1});
      nodes_.push_back(Node{});
      labels_.push_back(static_cast<unsigned char>(label));
      ++nodes_[node].children_count;
      begin = next;
    }
  }
}

}  // namespace quire::text
