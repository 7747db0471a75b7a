// What products call into the cache, checked on random page tables: just the pages that the step's
// attention reads, layer after layer.
#include "models/blocks/kv_ahead.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/models/crowd.h"

namespace quire::models {
namespace {

constexpr std::int64_t kPageBytes = std::int64_t{1} << 16;
constexpr std::int64_t kPlenty = std::int64_t{1} << 30;

// Two layers of a group with a layer without keys between them; page p lies at p * kPageBytes.
// No memory is there: nothing may be read, only its addresses handed out.
struct Planner {
  explicit Planner(int kv_heads, std::int64_t window = 0, std::int64_t bytes_max = kPlenty)
      : group(group_of(kv_heads, window)) {
    group.layout.dtype = DType::kBf16;
    group.layout.key_dim = group.layout.value_dim = 64;
    MemoryLayout layout;
    layout.groups = {group};
    const KvSite first = {.group = 0, .layout = group.layout, .window = window};
    KvSite last = first;
    last.layer_offset = group.layout.layer_page_bytes();
    layout.kv = {first, {}, last};
    ahead = std::make_unique<KvAhead>(layout, bytes_max);
  }

  void plan(Crowd& crowd) {
    PageSharing sharing(group, 2, crowd.rows);
    const StepInput input = crowd.input();
    sharing.find(input, crowd.blocks, 0, 2);
    ahead->plan({kernels::kernels(kernels::Isa::kScalar),
                 team,
                 input,
                 {.kv_base = base, .kv_page_bytes = page_bytes},
                 crowd.blocks,
                 {},
                 std::span(&sharing, 1),
                 ahead->source()});
  }

  // Offset of a piece from the memory's begin -> how often it came; all of `bytes`.
  std::map<std::int64_t, int> take_all() {
    std::map<std::int64_t, int> taken;
    for (;;) {
      const auto piece = ahead->source().take();
      if (piece.empty()) return taken;
      ++taken[piece.data() - base[0]];
      bytes = std::ssize(piece);
    }
  }

  KvGroup group;
  Team team{1};
  std::vector<std::byte> memory = std::vector<std::byte>(64);
  std::vector<std::byte*> base = {memory.data()};
  std::vector<std::int64_t> page_bytes = {kPageBytes};
  std::unique_ptr<KvAhead> ahead;
  std::int64_t bytes = 0;
};

// The heads' parts of all pages that hold a token in [first(sequence), end).
std::set<std::int64_t> pieces_of(const Crowd& crowd, const Planner& planner, std::int64_t window) {
  std::set<std::int64_t> pieces;
  for (std::size_t i = 0; i < crowd.tables.size(); ++i) {
    const RowBlock& block = crowd.blocks[i];
    const std::int64_t end = block.position + block.rows;
    const std::int64_t begin =
        window > 0 ? std::max<std::int64_t>(0, block.position - window + 1) : 0;
    for (std::int64_t page = begin / kPageTokens; page * kPageTokens < end; ++page)
      for (int head = 0; head < planner.group.layout.kv_heads; ++head)
        pieces.insert(crowd.tables[i][static_cast<std::size_t>(page)] * kPageBytes +
                      planner.group.layout.head_offset(head));
  }
  return pieces;
}

std::set<std::int64_t> keys_of(const std::map<std::int64_t, int>& taken) {
  std::set<std::int64_t> keys;
  for (const auto& [key, count] : taken) keys.insert(key);
  return keys;
}

TEST(KvAhead, ListsWhatAttentionReads) {
  Rng rng(1);
  int planned = 0;
  for (int round = 0; round < 200; ++round) {
    Crowd crowd = random_crowd(rng);
    const std::int64_t window =
        rng.below(3) == 0 ? 1 + static_cast<std::int64_t>(rng.below(200)) : 0;
    Planner planner(1 + static_cast<int>(rng.below(4)), window);
    for (int step = 0; step < 2; ++step) {  // a second one leaves nothing of the first
      planner.plan(crowd);
      const auto taken = planner.take_all();
      if (crowd.rows < KvAhead::kRowsMin) {
        EXPECT_TRUE(taken.empty());
        continue;
      }
      ++planned;
      EXPECT_EQ(keys_of(taken), pieces_of(crowd, planner, window));
      EXPECT_EQ(planner.bytes,
                planner.group.layout.layer_page_bytes() / planner.group.layout.kv_heads);
    }
  }
  EXPECT_GT(planned, 200);
}

TEST(KvAhead, PassesFromLayerToLayer) {
  Crowd crowd;
  for (std::int32_t i = 0; i < 12; ++i) crowd.add({i}, 20, 1);
  Planner planner(2);
  planner.plan(crowd);
  const auto first = keys_of(planner.take_all());
  planner.ahead->pass(0);
  std::set<std::int64_t> moved;
  for (const std::int64_t at : first) moved.insert(at + planner.group.layout.layer_page_bytes());
  EXPECT_EQ(first.size(), 24U);
  EXPECT_EQ(planner.ahead->source().take().data() - planner.base[0], *moved.begin());
  planner.ahead->pass(1);  // a layer without keys changes nothing: one piece is already out
  EXPECT_EQ(planner.take_all().size(), moved.size() - 1);
  planner.ahead->pass(2);
  EXPECT_TRUE(planner.take_all().empty());
}

TEST(KvAhead, SharedPagesComeOnceAndTheCacheIsTheLimit) {
  Crowd crowd;
  for (std::int32_t i = 0; i < 12; ++i) crowd.add({7, 8, 9, 10, 100 + i}, 130, 1);
  Planner planner(1);
  planner.plan(crowd);
  for (const auto& [piece, count] : planner.take_all()) EXPECT_EQ(count, 1) << piece;
  Planner small(1, 0, 5 * planner.group.layout.layer_page_bytes());
  small.plan(crowd);
  EXPECT_EQ(small.take_all().size(), 5U);
}

TEST(KvAhead, ShortPartsOfHeadsComeTogether) {
  Crowd crowd;
  for (std::int32_t i = 0; i < 12; ++i) crowd.add({i}, 20, 1);
  Planner planner(4);
  planner.group.layout.key_dim = planner.group.layout.value_dim = 16;
  MemoryLayout layout;
  layout.groups = {planner.group};
  layout.kv = {{.group = 0, .layout = planner.group.layout}};
  planner.ahead = std::make_unique<KvAhead>(layout, kPlenty);
  planner.plan(crowd);
  EXPECT_EQ(planner.take_all().size(), 12U);
  EXPECT_EQ(planner.bytes, planner.group.layout.layer_page_bytes());
}

}  // namespace
}  // namespace quire::models
