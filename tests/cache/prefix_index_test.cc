// The prefix index against a plain map from (namespace, tokens) to what is known there; and the
// match against a search that tries every length by its definition.
#include "cache/prefix_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/rng.h"
#include "cache/prefix_match.h"

namespace quire::cache {
namespace {

using Tokens = std::vector<std::int32_t>;

// A node's chain: its namespace and all tokens from the root. Two nodes never have equal keys:
// a tail's tokens end inside a page, a full node's at a page bound.
using Key = std::pair<std::uint64_t, Tokens>;

struct TwinNode {
  NodeId id = kNoNode;
  std::vector<std::int32_t> pages;
  std::int32_t state = -1;
  int pins = 0;
  bool holds() const {
    return state >= 0 || pins > 0 || std::ranges::any_of(pages, [](int page) { return page >= 0; });
  }
};

class Twin {
 public:
  Twin(int page_tokens, int groups) : page_tokens_(page_tokens), groups_(groups) {}

  TwinNode& node(const Key& key) {
    TwinNode& it = nodes[key];
    it.pages.resize(static_cast<std::size_t>(groups_), -1);
    return it;
  }
  Key parent(const Key& key) const {
    const std::size_t size = key.second.size();
    const std::size_t above = (size - 1) / static_cast<std::size_t>(page_tokens_) *
                              static_cast<std::size_t>(page_tokens_);
    return {key.first,
            Tokens(key.second.begin(), key.second.begin() + static_cast<std::ptrdiff_t>(above))};
  }
  // A node is there exactly when it or a node below it holds something.
  void drop_empty() {
    std::map<Key, TwinNode> kept;
    for (const auto& [key, it] : nodes) {
      if (!it.holds()) continue;
      Key at = key;
      kept[at] = it;
      while (!at.second.empty()) {
        at = parent(at);
        kept[at] = nodes.at(at);
      }
    }
    nodes = std::move(kept);
  }

  std::map<Key, TwinNode> nodes;

 private:
  int page_tokens_, groups_;
};

// Drives index and twin through the same operations.
class Pair {
 public:
  Pair(int page_tokens, int groups, int hash_bits, std::uint64_t seed)
      : page_tokens(page_tokens),
        groups(groups),
        rng(seed),
        index({page_tokens, groups, {1, 2}, hash_bits}),
        twin(page_tokens, groups) {}

  int below(int limit) { return static_cast<int>(rng.below(static_cast<std::uint64_t>(limit))); }

  Tokens random_tokens(int most) {
    Tokens tokens;
    const int size = below(most + 1);
    for (int i = 0; i < size; ++i) tokens.push_back(below(2));
    return tokens;
  }

  // The node of the chain, made with all its ancestors; kNoNode where its parent's tails are full.
  NodeId add(const Key& key) {
    const NodeId root = index.add_root({0, key.first});
    twin.node({key.first, {}}).id = root;
    NodeId node = root;
    const std::span<const std::int32_t> all(key.second);
    for (std::size_t begin = 0; begin < all.size();) {
      const auto count = std::min(all.size() - begin, static_cast<std::size_t>(page_tokens));
      const auto tokens = all.subspan(begin, count);
      if (static_cast<int>(count) == page_tokens) {
        node = index.add_child(node, index.page_hash(index.hash(node), tokens), tokens);
      } else {
        node = index.add_tail(node, tokens);
      }
      begin += count;
      twin.node({key.first, Tokens(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(begin))})
          .id = node;
    }
    return node;
  }

  // Puts something into a random node or takes something out of one.
  void operate() {
    const Key key{rng.below(2), random_tokens(4 * page_tokens)};
    if (below(2) == 0) {
      const NodeId node = add(key);
      TwinNode& it = twin.node(key);
      const int what = below(groups + 2);
      if (what < groups) {
        index.set_page(node, what, it.pages[static_cast<std::size_t>(what)] = below(1000));
      } else if (what == groups) {
        index.set_state(node, it.state = below(1000));
      } else {
        index.pin(node);
        ++it.pins;
      }
      index.prune(node);
    } else if (!twin.nodes.empty()) {
      auto at = twin.nodes.begin();
      std::advance(at, below(static_cast<int>(twin.nodes.size())));
      TwinNode& it = at->second;
      const int what = below(groups + 2);
      if (what < groups) {
        index.set_page(it.id, what, it.pages[static_cast<std::size_t>(what)] = -1);
      } else if (what == groups) {
        index.set_state(it.id, it.state = -1);
      } else if (it.pins > 0) {
        --it.pins;
        index.unpin(it.id);
        twin.drop_empty();
        return;
      }
      index.prune(it.id);
    }
    twin.drop_empty();
  }

  const int page_tokens, groups;
  Rng rng;
  PrefixIndex index;
  Twin twin;
};

NodeId find(const Pair& pair, const Key& key) {
  NodeId node = pair.index.find_root({0, key.first});
  const std::span<const std::int32_t> all(key.second);
  const auto page_tokens = static_cast<std::size_t>(pair.page_tokens);
  for (std::size_t begin = 0; begin < all.size() && node != kNoNode;) {
    const auto count = std::min(all.size() - begin, page_tokens);
    const auto tokens = all.subspan(begin, count);
    if (count == page_tokens) {
      const Hash128 hash = pair.index.page_hash(pair.index.hash(node), tokens);
      node = pair.index.find_child(node, hash, tokens);
    } else {
      node = pair.index.find_tail(node, tokens);
    }
    begin += count;
  }
  return node;
}

struct Shape {
  int page_tokens, groups, hash_bits;
};
class PrefixIndexRandom : public testing::TestWithParam<Shape> {};

TEST_P(PrefixIndexRandom, EqualsTwin) {
  const Shape shape = GetParam();
  Pair pair(shape.page_tokens, shape.groups, shape.hash_bits, 7);
  for (int step = 0; step < 3000; ++step) {
    pair.operate();
    pair.index.check_invariants();
    ASSERT_EQ(pair.index.node_count(), std::ssize(pair.twin.nodes)) << step;
    for (int i = 0; i < 3; ++i) {
      const Key key{pair.rng.below(2), pair.random_tokens(4 * shape.page_tokens)};
      const auto known = pair.twin.nodes.find(key);
      const NodeId found = find(pair, key);
      ASSERT_EQ(found, known == pair.twin.nodes.end() ? kNoNode : known->second.id) << step;
      if (found == kNoNode) continue;
      for (int g = 0; g < shape.groups; ++g) {
        ASSERT_EQ(pair.index.page(found, g), known->second.pages[static_cast<std::size_t>(g)]);
      }
      ASSERT_EQ(pair.index.state(found), known->second.state);
    }
  }
}

// The longest L that the definition allows.
std::int64_t hit_by_definition(const Pair& pair, const MatchRules& rules, const Key& query) {
  const std::int64_t page_tokens = pair.page_tokens;
  const auto prefix = [&](std::int64_t count) {
    return Key{query.first, Tokens(query.second.begin(), query.second.begin() + count)};
  };
  const auto page_at = [&](int g, std::int64_t end) {
    const auto at = pair.twin.nodes.find(prefix(end));
    return at != pair.twin.nodes.end() && at->second.pages[static_cast<std::size_t>(g)] >= 0;
  };
  // Some page of the group holds the `end` first tokens' last part.
  const auto part_at = [&](int g, std::int64_t end) {
    return std::ranges::any_of(pair.twin.nodes, [&](const auto& it) {
      const Tokens& tokens = it.first.second;
      return it.first.first == query.first && std::ssize(tokens) >= end &&
             (std::ssize(tokens) - 1) / page_tokens == (end - 1) / page_tokens &&
             std::equal(query.second.begin(), query.second.begin() + end, tokens.begin()) &&
             it.second.pages[static_cast<std::size_t>(g)] >= 0;
    });
  };
  for (std::int64_t length = std::ssize(query.second) - 1; length > 0; --length) {
    // With a window of one token no page is needed at all; but only known tokens count as a hit.
    bool good = length < page_tokens ||
                pair.twin.nodes.contains(prefix(length / page_tokens * page_tokens));
    for (int g = 0; g < pair.groups && good; ++g) {
      const std::int64_t window = rules.windows[static_cast<std::size_t>(g)];
      const std::int64_t visible = window == 0 ? 0 : std::max<std::int64_t>(0, length - window + 1);
      for (std::int64_t page = visible / page_tokens; page < length / page_tokens && good; ++page) {
        good = page_at(g, (page + 1) * page_tokens);
      }
      if (good && length % page_tokens != 0) good = part_at(g, length);
    }
    if (good && rules.recurrent) {
      const auto at = pair.twin.nodes.find(prefix(length));
      good = at != pair.twin.nodes.end() && at->second.state >= 0;
    }
    if (good) return length;
  }
  return 0;
}

class PrefixMatchRandom : public testing::TestWithParam<Shape> {};

TEST_P(PrefixMatchRandom, IsTheLongestByDefinition) {
  const Shape shape = GetParam();
  int hits = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    Pair pair(shape.page_tokens, shape.groups, shape.hash_bits, seed);
    MatchRules rules{shape.page_tokens, {}, seed % 2 == 1 || shape.groups == 0};
    for (int g = 0; g < shape.groups; ++g) {
      rules.windows.push_back(pair.below(3) == 0 ? 0 : 1 + pair.below(3 * shape.page_tokens));
    }
    for (int i = 0; i < 120; ++i) pair.operate();
    for (int i = 0; i < 40; ++i) {
      Key query{pair.rng.below(2), pair.random_tokens(4 * shape.page_tokens + 2)};
      if (query.second.empty()) continue;
      std::vector<Hash128> hashes;
      Hash128 hash = pair.index.root_hash({0, query.first});
      const std::span<const std::int32_t> tokens(query.second);
      const auto page_tokens = static_cast<std::size_t>(shape.page_tokens);
      while ((hashes.size() + 1) * page_tokens <= tokens.size()) {
        hash = pair.index.page_hash(hash, tokens.subspan(hashes.size() * page_tokens, page_tokens));
        hashes.push_back(hash);
      }
      const PrefixMatch match = match_prefix(pair.index, rules, {tokens, hashes, {0, query.first}});
      const std::int64_t expected = hit_by_definition(pair, rules, query);
      ASSERT_EQ(match.tokens, expected) << "seed " << seed << " query " << i;
      ASSERT_LE(match.tokens, match.covered);
      ASSERT_LE(match.covered, match.retained);
      ASSERT_LE(match.retained, match.known);
      ASSERT_LT(match.known, std::ssize(query.second));
      hits += match.tokens > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(hits, 100);
}

const Shape kShapes[] = {{1, 1, 128}, {2, 1, 128}, {2, 2, 3}, {3, 1, 2}, {4, 2, 128}, {3, 0, 4}};
INSTANTIATE_TEST_SUITE_P(Shapes, PrefixIndexRandom, testing::ValuesIn(kShapes));
INSTANTIATE_TEST_SUITE_P(Shapes, PrefixMatchRandom, testing::ValuesIn(kShapes));

// Oracle: written down once. A change of the hash would make pages written by an older build
// unreadable, or worse, mean something else.
TEST(PrefixIndex, HashesAreStable) {
  const PrefixIndex index({16, 1, {1, 2}, 128});
  const Hash128 root = index.root_hash({3, 4});
  const Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const Hash128 page = index.page_hash(root, tokens);
  EXPECT_EQ(root, PrefixIndex({16, 3, {1, 2}, 128}).root_hash({3, 4}));
  EXPECT_NE(root, PrefixIndex({32, 1, {1, 2}, 128}).root_hash({3, 4}));
  EXPECT_NE(root, PrefixIndex({16, 1, {1, 3}, 128}).root_hash({3, 4}));
  EXPECT_NE(root, index.root_hash({3, 5}));
  EXPECT_NE(page, index.page_hash(index.root_hash({3, 5}), tokens));
  EXPECT_EQ(page.high, 1396877129832523401u);
  EXPECT_EQ(page.low, 7171599374708257283u);
}

}  // namespace
}  // namespace quire::cache
