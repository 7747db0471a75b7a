// Who holds each page (or state slot) of a pool, and which unreferenced one is reused next.
#pragma once

#include <cstdint>
#include <vector>

namespace quire::cache {

struct PoolStats {
  std::int64_t total = 0, referenced = 0, cached = 0, free = 0;  // sum of the last three = total
};

// A page is referenced (by page tables), cached (unreferenced, but an index entry names
// its content) or free. The unreferenced ones are linked intrusively: a stack of free pages, and
// the cached ones from the least to the most recently released. A cached page is evicted only when
// no free one is left, and a sequence that releases its pages from the tail to the head loses its
// tail first.
class PagePool {
 public:
  static constexpr std::int32_t kNone = -1;

  explicit PagePool(std::int32_t count);

  // The page that acquire() would give, kNone when every page is referenced. Where it has an entry,
  // forget it (and tell the index) before acquiring.
  std::int32_t next() const { return free_ > 0 ? front(kFree) : oldest_cached(); }
  std::int32_t oldest_cached() const { return cached_ > 0 ? front(kCached) : kNone; }
  // Takes next() with one reference. REQUIRES: it is there and has no entry.
  std::int32_t acquire();

  void retain(std::int32_t page);
  // The last release makes the page cached (most recently used) or free (reused first).
  void release(std::int32_t page);

  // Names the content for the index. REQUIRES: the page is referenced and has no entry.
  void set_entry(std::int32_t page, std::int32_t entry);
  // The content is not to be found any more; an unreferenced page becomes free.
  void forget(std::int32_t page);

  std::int32_t entry(std::int32_t page) const { return pages_[index(page)].entry; }
  std::int32_t references(std::int32_t page) const { return pages_[index(page)].references; }
  std::int32_t count() const { return static_cast<std::int32_t>(pages_.size()); }
  std::int32_t available() const { return free_ + cached_; }  // unreferenced
  PoolStats stats() const;
  void check_invariants() const;

 private:
  struct Page {
    std::int32_t references = 0;
    std::int32_t entry = kNone;
  };
  struct Link {
    std::int32_t previous = kNone, next = kNone;
  };

  std::size_t index(std::int32_t page) const;
  enum List { kFree, kCached };
  std::int32_t sentinel(List list) const { return count() + list; }
  std::int32_t front(List list) const {
    return links_[static_cast<std::size_t>(sentinel(list))].next;
  }
  void link_after(std::int32_t page, std::int32_t previous);
  void unlink(std::int32_t page);
  std::int32_t check_list(List list) const;

  std::vector<Page> pages_;
  std::vector<Link> links_;  // two more than pages_: the sentinels
  std::int32_t free_ = 0, cached_ = 0;
};

}  // namespace quire::cache
