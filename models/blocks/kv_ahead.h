// Keys and values that the next attention layer will read, for the products before it to call into
// the cache (kernels/read_ahead.h).
#pragma once

#include <vector>

#include "models/blocks/step.h"

namespace quire::models {

class KvAhead {
 public:
  // With fewer rows products wait for memory themselves.
  static constexpr std::int64_t kRowsMin = 9;

  // Half of the machine's last cache: the rest is for weights, activations and other processes.
  static std::int64_t cache_share();

  // Lists at most `bytes_max` of each KV group.
  explicit KvAhead(const MemoryLayout& layout, std::int64_t bytes_max = cache_share());

  // Lists what attention will read, in its order, and aims at the first layer. No allocation.
  void plan(const Step& step);
  // Attention of `layer` is over: aims at the next layer that keeps keys. A layer without keys
  // changes nothing.
  void pass(int layer);
  kernels::ReadAhead& source() { return source_; }

 private:
  // Pieces of a step's pages of one KV group, the layer's offset not yet added: of each page one
  // head's part where that is long enough, else the whole layer's.
  struct Group {
    kernels::KvLayout layout;
    std::int64_t window = 0;
    std::int64_t piece_bytes = 0;
    std::vector<const std::byte*> starts;  // as many as are reserved
  };
  // Tokens of a page table.
  struct Tokens {
    const std::int32_t* table = nullptr;
    std::int64_t begin = 0, end = 0;
  };
  // Where the pages of a head begin.
  struct Place {
    kernels::PagedKv kv;
    std::int64_t head_offset = 0;
  };

  void list(const Step& step, std::size_t index, int head);
  // But for pages that `listed` has in the same places.
  static void add(Group& group, const Place& place, const Tokens& tokens, const Tokens& listed);
  void aim(int layer);

  std::vector<KvSite> sites_;  // [L]
  std::vector<Group> groups_;
  kernels::ReadAhead source_;
};

}  // namespace quire::models
