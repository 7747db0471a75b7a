// The page pool against a twin of plain containers, which says who is referenced, cached and free
// and in which order unreferenced pages are reused.
#include "cache/page_pool.h"

#include <gtest/gtest.h>

#include <list>
#include <map>

#include "base/rng.h"

namespace quire::cache {
namespace {

struct Twin {
  struct Page {
    int references = 0;
    std::int32_t entry = PagePool::kNone;
  };
  std::map<std::int32_t, Page> pages;
  std::list<std::int32_t> free;    // front is reused first
  std::list<std::int32_t> cached;  // front was released longest ago

  std::int32_t next() const {
    if (!free.empty()) return free.front();
    return cached.empty() ? PagePool::kNone : cached.front();
  }
  void release(std::int32_t page) {
    if (--pages[page].references > 0) return;
    if (pages[page].entry == PagePool::kNone) {
      free.push_front(page);
    } else {
      cached.push_back(page);
    }
  }
  void forget(std::int32_t page) {
    pages[page].entry = PagePool::kNone;
    if (pages[page].references > 0) return;
    cached.remove(page);
    free.push_front(page);
  }
};

class PagePoolRandom : public testing::TestWithParam<int> {};

TEST_P(PagePoolRandom, EqualsTwin) {
  const int count = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << count);
  Rng rng(static_cast<std::uint64_t>(count));
  PagePool pool(count);
  Twin twin;
  for (int page = 0; page < count; ++page) {
    twin.pages[page] = {};
    twin.free.push_back(page);
  }
  for (int step = 0; step < 20000; ++step) {
    const auto page = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(count)));
    Twin::Page& it = twin.pages[page];
    switch (rng.below(6)) {
      case 0: {
        const std::int32_t next = twin.next();
        ASSERT_EQ(pool.next(), next);
        if (next == PagePool::kNone) break;
        if (twin.pages[next].entry != PagePool::kNone) {
          twin.forget(next);
          pool.forget(next);
        }
        ASSERT_EQ(pool.acquire(), next);
        twin.free.remove(next);
        ++twin.pages[next].references;
        break;
      }
      case 1:  // retained while referenced or cached, as a hit does
        if (it.references == 0 && it.entry == PagePool::kNone) break;
        pool.retain(page);
        if (it.references++ == 0) twin.cached.remove(page);
        break;
      case 2:
      case 3:
        if (it.references == 0) break;
        pool.release(page);
        twin.release(page);
        break;
      case 4:
        if (it.references == 0 || it.entry != PagePool::kNone) break;
        it.entry = step;
        pool.set_entry(page, step);
        break;
      case 5:
        if (it.entry == PagePool::kNone || rng.below(4) != 0) break;
        pool.forget(page);
        twin.forget(page);
        break;
    }
    pool.check_invariants();
    const PoolStats stats = pool.stats();
    ASSERT_EQ(stats.free, std::ssize(twin.free));
    ASSERT_EQ(stats.cached, std::ssize(twin.cached));
    ASSERT_EQ(stats.referenced + stats.cached + stats.free, stats.total);
    ASSERT_EQ(pool.oldest_cached(), twin.cached.empty() ? PagePool::kNone : twin.cached.front());
    ASSERT_EQ(pool.references(page), it.references);
    ASSERT_EQ(pool.entry(page), it.entry);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PagePoolRandom, testing::Values(1, 2, 7, 40));

TEST(PagePoolDeath, MisuseAborts) {
  PagePool pool(2);
  EXPECT_DEATH(pool.release(0), "without a reference");
  EXPECT_DEATH(pool.forget(0), "no entry");
  EXPECT_DEATH(pool.retain(2), "page 2 of 2");
  pool.acquire();
  pool.acquire();
  EXPECT_DEATH(pool.acquire(), "all 2 pages are referenced");
}

}  // namespace
}  // namespace quire::cache
