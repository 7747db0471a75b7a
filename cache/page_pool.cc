// Reference counts and the intrusive list of unreferenced pages.
#include "cache/page_pool.h"

#include "base/check.h"

namespace quire::cache {

PagePool::PagePool(std::int32_t count)
    : pages_(static_cast<std::size_t>(count)), links_(static_cast<std::size_t>(count) + 2) {
  for (const List list : {kFree, kCached}) {
    links_[static_cast<std::size_t>(sentinel(list))] = {sentinel(list), sentinel(list)};
  }
  // Page 0 is given first, which makes small cases easy to read.
  for (std::int32_t page = count - 1; page >= 0; --page) link_after(page, sentinel(kFree));
  free_ = count;
}

std::size_t PagePool::index(std::int32_t page) const {
  CHECK(page >= 0 && page < count(), "page {} of {}", page, count());
  return static_cast<std::size_t>(page);
}

void PagePool::link_after(std::int32_t page, std::int32_t previous) {
  const std::int32_t next = links_[static_cast<std::size_t>(previous)].next;
  links_[static_cast<std::size_t>(page)] = {previous, next};
  links_[static_cast<std::size_t>(previous)].next = page;
  links_[static_cast<std::size_t>(next)].previous = page;
}

void PagePool::unlink(std::int32_t page) {
  Link& link = links_[static_cast<std::size_t>(page)];
  links_[static_cast<std::size_t>(link.previous)].next = link.next;
  links_[static_cast<std::size_t>(link.next)].previous = link.previous;
  link = {};
}

std::int32_t PagePool::acquire() {
  const std::int32_t page = next();
  CHECK(page != kNone, "all {} pages are referenced", count());
  CHECK(entry(page) == kNone, "page {} was acquired with entry {}", page, entry(page));
  retain(page);
  return page;
}

void PagePool::retain(std::int32_t page) {
  Page& it = pages_[index(page)];
  if (it.references++ > 0) return;
  unlink(page);
  --(it.entry == kNone ? free_ : cached_);
}

void PagePool::release(std::int32_t page) {
  Page& it = pages_[index(page)];
  CHECK(it.references > 0, "page {} was released without a reference", page);
  if (--it.references > 0) return;
  const bool cached = it.entry != kNone;
  link_after(page, cached ? links_[static_cast<std::size_t>(sentinel(kCached))].previous
                          : sentinel(kFree));
  ++(cached ? cached_ : free_);
}

void PagePool::set_entry(std::int32_t page, std::int32_t entry) {
  Page& it = pages_[index(page)];
  CHECK(it.references > 0 && it.entry == kNone && entry != kNone,
        "page {} with {} references and entry {} was given entry {}", page, it.references, it.entry,
        entry);
  it.entry = entry;
}

void PagePool::forget(std::int32_t page) {
  Page& it = pages_[index(page)];
  CHECK(it.entry != kNone, "page {} has no entry to forget", page);
  it.entry = kNone;
  if (it.references > 0) return;
  unlink(page);
  link_after(page, sentinel(kFree));
  --cached_;
  ++free_;
}

PoolStats PagePool::stats() const { return {count(), count() - free_ - cached_, cached_, free_}; }

std::int32_t PagePool::check_list(List list) const {
  std::int32_t listed = 0;
  std::int32_t previous = sentinel(list);
  for (std::int32_t page = front(list); page != sentinel(list);
       page = links_[static_cast<std::size_t>(page)].next) {
    const Page& it = pages_[index(page)];
    CHECK(links_[static_cast<std::size_t>(page)].previous == previous, "broken link at {}", page);
    CHECK(it.references == 0, "listed page {} has {} references", page, it.references);
    CHECK((it.entry == kNone) == (list == kFree), "page {} with entry {} is in the wrong list",
          page, it.entry);
    CHECK(++listed <= count(), "the list of {} pages has a cycle", count());
    previous = page;
  }
  return listed;
}

void PagePool::check_invariants() const {
  const std::int32_t free = check_list(kFree), cached = check_list(kCached);
  std::int32_t referenced = 0;
  for (const Page& it : pages_) referenced += it.references > 0 ? 1 : 0;
  CHECK(free == free_ && cached == cached_ && referenced + free + cached == count(),
        "{} referenced + {} cached + {} free of {} pages, counted as {} and {}", referenced, cached,
        free, count(), cached_, free_);
}

}  // namespace quire::cache
