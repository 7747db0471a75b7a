// What an observer sees of the cache: counts and shapes, bounded in size, and never a token.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/page_pool.h"

namespace quire::cache {

struct CacheViewLimits {
  int runs = 2048;    // of one pool's map
  int chains = 200;   // of the prefix tree
  int visits = 8192;  // nodes looked at for them
};

// Neighbouring pages of one kind. references: of each, 0 for pages that are only cached, kFreeRun
// for free ones.
struct PageRun {
  static constexpr std::int32_t kFreeRun = -1;
  std::int32_t references = kFreeRun;
  std::int32_t count = 0;
};

// The runs begin at page 0; they cover the whole pool unless there are too many.
struct PoolView {
  PoolStats stats;
  std::vector<PageRun> runs;
  std::int64_t listed = 0;  // pages that the runs cover
};

// Nodes of the prefix index in a row, each the only child of the one before it and with as many
// references. Parents come before their children.
struct PrefixChain {
  int parent = -1;                   // index of a chain, -1 at a root
  int root = 0;                      // which namespace, in the order of the list
  std::int64_t begin = 0, end = 0;   // token positions
  std::int32_t pages = 0;            // of the first KV group; evicted ones do not count
  std::int32_t references = 0;       // sequences that hold its first page; 0: only cached
  std::int32_t snapshots = 0;        // recurrent states
  std::int32_t first_page = -1;      // in the first KV group
  std::int32_t hidden_children = 0;  // not listed, since the limits were reached
};

struct CacheView {
  std::vector<PoolView> groups;
  PoolView states;
  std::vector<PrefixChain> chains;
  std::int64_t nodes = 0;  // of the whole prefix index
};

}  // namespace quire::cache
