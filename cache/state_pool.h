// Slots of recurrent states: working ones, saves of one step, and published immutable snapshots.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/orders.h"
#include "cache/page_pool.h"

namespace quire::cache {

// A snapshot that the running step takes: published at commit, when it holds what it should.
struct PendingSnapshot {
  std::int64_t position = 0;  // tokens before it
  std::int32_t slot = -1;
};

// The slots of one running sequence. All of them are held with one reference.
struct SequenceState {
  std::int32_t working = PagePool::kNone;  // private, advanced by every row
  std::vector<std::int64_t> wanted;        // snapshot positions to come, ascending
  std::vector<PendingSnapshot> pending;    // of the step, ascending
  std::vector<std::int32_t> returns;       // [draft]: the state before that draft
  std::vector<StateSaveOrder> saves;       // the orders for pending and returns
};

// Where a sequence should leave snapshots behind: at the end of a known prefix that had none
// (junction), just before the prompt's end, since its last token must run when the prompt comes
// again, and at a stride that widens with the prompt so that one prompt cannot flood the pool.
struct SnapshotWish {
  std::int64_t computed = 0, prompt_tokens = 0;
  std::int64_t junction = 0;  // 0: none
  std::int64_t stride = 512;
  std::int32_t slots = 0;
  int page_tokens = 16;
};
std::vector<std::int64_t> snapshot_positions(const SnapshotWish& wish);

// Snapshots that may stay unreferenced in a pool of that size: the rest is for work.
std::int32_t snapshots_max(std::int32_t slots);

}  // namespace quire::cache
