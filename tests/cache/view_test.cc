// The observer's picture against the pools and tables themselves: runs sum to the pool's own
// counts, and a tree whose shape is known by construction is drawn as such.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "cache/cache_manager.h"

namespace quire::cache {
namespace {

constexpr int kPageTokens = 4;

class Texts {
 public:
  explicit Texts(CacheManager& cache) : cache_(cache) {}

  // A sequence over the tokens, computed to the end but for the last.
  SequenceId run(std::vector<std::int32_t> tokens) {
    std::vector<Hash128> hashes;
    cache_.extend_page_hashes({}, tokens, hashes);
    SequenceRequest request;
    request.tokens = tokens;
    request.page_hashes = hashes;
    request.prompt_tokens = std::ssize(tokens);
    MemoryOrders orders;
    const auto admission = cache_.acquire(request, orders);
    EXPECT_TRUE(admission.has_value());
    const auto end = std::ssize(tokens);
    EXPECT_EQ(cache_.grow(admission->sequence, end), end);
    cache_.advance(admission->sequence, tokens, end, 0);
    return admission->sequence;
  }

 private:
  CacheManager& cache_;
};

CacheConfig config() {
  CacheConfig config;
  config.page_tokens = kPageTokens;
  config.groups = {{.window = 0, .page_count = 40}};
  return config;
}

std::vector<std::int32_t> counting(int count, int last) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  tokens.push_back(last);
  return tokens;
}

void expect_sums(const PoolView& view) {
  std::int64_t referenced = 0, cached = 0, free = 0;
  for (const PageRun& run : view.runs) {
    ASSERT_GT(run.count, 0);
    (run.references == PageRun::kFreeRun ? free
     : run.references == 0               ? cached
                                         : referenced) += run.count;
  }
  EXPECT_EQ(referenced, view.stats.referenced);
  EXPECT_EQ(cached, view.stats.cached);
  EXPECT_EQ(free, view.stats.free);
  EXPECT_EQ(view.listed, view.stats.total);
  EXPECT_EQ(referenced + cached + free, view.stats.total);
}

TEST(CacheView, AnEmptyCacheIsOneRunAndNoTree) {
  const CacheManager cache(config());
  const CacheView view = cache.view({});
  ASSERT_EQ(view.groups.size(), 1u);
  ASSERT_EQ(view.groups[0].runs.size(), 1u);
  EXPECT_EQ(view.groups[0].runs[0].count, 40);
  EXPECT_TRUE(view.chains.empty());
  expect_sums(view.groups[0]);
}

// Two texts share 8 tokens (two pages), then differ; a third is the first again, after its end.
TEST(CacheView, TheTreeForksWhereTextsDiffer) {
  CacheManager cache(config());
  Texts texts(cache);
  auto first = counting(12, 100);
  auto second = counting(8, 200);
  second.insert(second.end(), {201, 202, 203, 204});
  const SequenceId a = texts.run(first);
  const SequenceId b = texts.run(second);
  cache.check_invariants();
  CacheView view = cache.view({});
  expect_sums(view.groups[0]);
  ASSERT_GE(view.chains.size(), 3u);
  const PrefixChain& trunk = view.chains[0];
  EXPECT_EQ(trunk.parent, -1);
  EXPECT_EQ(trunk.begin, 0);
  EXPECT_EQ(trunk.end, 8);
  EXPECT_EQ(trunk.pages, 2);
  EXPECT_EQ(trunk.references, 2);
  int branches = 0;
  for (const PrefixChain& chain : view.chains) {
    if (chain.parent != 0) continue;
    ++branches;
    EXPECT_EQ(chain.begin, 8);
    EXPECT_EQ(chain.references, 1);
  }
  EXPECT_EQ(branches, 2);

  cache.release(b, second);
  view = cache.view({});
  expect_sums(view.groups[0]);
  EXPECT_EQ(view.chains[0].references, 1);
  cache.release(a, first);
  view = cache.view({});
  expect_sums(view.groups[0]);
  EXPECT_EQ(view.groups[0].stats.referenced, 0);
  for (const PrefixChain& chain : view.chains) EXPECT_EQ(chain.references, 0);
}

TEST(CacheView, LimitsAreKeptAndWhatIsCutIsTold) {
  CacheManager cache(config());
  Texts texts(cache);
  for (int i = 0; i < 6; ++i) {
    auto tokens = counting(4, 50 + i);
    tokens.insert(tokens.end(), {60 + i, 61, 62, 63});
    const SequenceId id = texts.run(tokens);
    if (i % 2 == 0) cache.release(id, tokens);
  }
  const CacheView view = cache.view({.runs = 2, .chains = 3, .visits = 1000});
  EXPECT_EQ(view.groups[0].runs.size(), 2u);
  EXPECT_LT(view.groups[0].listed, view.groups[0].stats.total);
  ASSERT_EQ(view.chains.size(), 3u);
  // The trunk of one page, then six branches: what is not shown of them is counted.
  const auto shown = std::count_if(view.chains.begin(), view.chains.end(),
                                   [](const PrefixChain& chain) { return chain.parent == 0; });
  EXPECT_EQ(view.chains[0].end, 4);
  EXPECT_EQ(shown + view.chains[0].hidden_children, 6);
}

}  // namespace
}  // namespace quire::cache
