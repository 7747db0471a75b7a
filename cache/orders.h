// What memory has to do for a step, as integers: the cache gives the orders, kv_store carries them
// out.
#pragma once

#include <cstdint>
#include <vector>

namespace quire::cache {

// Tokens of a prompt that a lookup did not find, by why: never seen; pages gone; pages there, but
// no state at the position; window pages gone.
struct MissedTokens {
  std::int64_t cold = 0, evicted = 0, state = 0, window = 0;
};

struct PageCopy {
  int group = 0;
  std::int32_t from = 0, to = 0;
  int token_count = 0;  // leading tokens of the page that matter
};

struct StateCopy {
  std::int32_t from = 0, to = 0;
};

// After row `row` (0-based within the sequence's rows of the step) the state goes to `slot`.
struct StateSaveOrder {
  int row = 0;
  std::int32_t slot = 0;
};

// Before the forward pass: page copies, then state copies, then zeros, each in the listed order.
// No order reads what an earlier one wrote, but an earlier source may be a later destination.
struct MemoryOrders {
  std::vector<PageCopy> page_copies;
  std::vector<StateCopy> state_copies;
  std::vector<std::int32_t> state_zeros;  // slots to clear

  void clear() {
    page_copies.clear();
    state_copies.clear();
    state_zeros.clear();
  }
};

}  // namespace quire::cache
