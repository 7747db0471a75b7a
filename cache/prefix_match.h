// The longest prefix of a token list that pages of every KV group and a recurrent state cover.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/prefix_index.h"

namespace quire::cache {

struct MatchRules {
  int page_tokens = 16;
  std::vector<std::int64_t> windows;  // per KV group, 0: full retention
  bool recurrent = false;             // a hit needs a state at exactly its end
};

struct PrefixQuery {
  std::span<const std::int32_t> tokens;
  std::span<const Hash128> page_hashes;  // of the full pages
  Hash128 cache_namespace;
};

struct PrefixMatch {
  std::int64_t tokens = 0;     // the hit; below the query's size, since its last token must run
  NodeId node = kNoNode;       // ends at the hit's last page bound; kNoNode where that is 0
  std::vector<NodeId> tails;   // [group] the page with the rest of the hit; empty at a page bound
  NodeId state = kNoNode;      // holds the state at the hit's end
  std::int64_t known = 0;      // tokens that the index knows, with or without pages and states
  std::int64_t covered = 0;    // hit if states did not matter
  std::int64_t retained = 0;   // hit if windows and states did not matter
  std::int64_t page_path = 0;  // full pages of the query whose nodes exist
};

PrefixMatch match_prefix(const PrefixIndex& index, const MatchRules& rules,
                         const PrefixQuery& query);

}  // namespace quire::cache
