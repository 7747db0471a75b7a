// The swarm: each seed is another machine, another model and another kind of clients.
#include <fmt/format.h>

#include <algorithm>

#include "tests/scheduler/sim_world.h"

namespace quire::scheduler::sim {
namespace {

enum Layout { kFull, kFullAndWindow, kWindow, kState, kFullAndState, kTwoFull, kLayoutCount };

}  // namespace

Params swarm_params(std::uint64_t seed) {
  Rng rng(seed ^ 0x5eed);
  const auto below = [&](int limit) {
    return static_cast<int>(rng.below(static_cast<std::uint64_t>(limit)));
  };
  const auto log_below = [&](int low, int high) {  // small sizes are the interesting ones
    int size = high;
    for (int i = 0; i < 2; ++i) size = low + below(size - low + 1);
    return size;
  };
  Params params;
  cache::CacheConfig& cache = params.cache;
  SchedulerConfig& scheduler = params.scheduler;
  const Layout layout = static_cast<Layout>(below(kLayoutCount));
  const int page_sizes[] = {1, 2, 3, 4, 8, 16, 32};
  cache.page_tokens = page_sizes[below(7)];
  const int pages = std::max(4, log_below(4, 256));
  const int window = 1 + log_below(0, 40);
  if (layout == kFull || layout == kFullAndWindow || layout == kFullAndState ||
      layout == kTwoFull) {
    cache.groups.push_back({0, pages});
  }
  if (layout == kTwoFull) cache.groups.push_back({0, std::max(4, log_below(4, 256))});
  if (layout == kFullAndWindow || layout == kWindow) {
    const int least = (window + cache.page_tokens - 2) / cache.page_tokens + 1;
    cache.groups.push_back({window, std::max(least, log_below(1, pages))});
  }
  if (layout == kState || layout == kFullAndState || layout == kTwoFull) {
    cache.state_slots = 1 + log_below(0, 40);
    cache.state_stride_tokens = 1 + below(64);
  }
  cache.prefix_cache = below(8) != 0;
  cache.fingerprint = {seed, seed};
  if (below(4) == 0) cache.debug_hash_bits = 2 + below(7);
  if (below(8) == 0) cache.index_nodes_max = 1 + below(40);

  scheduler.sequences_max = log_below(1, 16);
  scheduler.step_tokens_max = log_below(1, 128);
  scheduler.prefill_tokens_min = 1 + log_below(0, 32);
  scheduler.waiting_max = 4 + below(32);
  scheduler.look_past_max = below(5);
  scheduler.drafts_max = below(9);
  scheduler.step_target = std::chrono::milliseconds(1 + below(40));
  scheduler.ageing = std::chrono::milliseconds(1 + below(500));
  if (below(6) == 0) scheduler.debug_preempt_every = 1 + below(7);
  if (below(6) == 0) scheduler.debug_chunk_tokens = 1 + below(20);

  params.drafts = below(2) == 0 ? 0 : scheduler.drafts_max;
  params.draft_right = rng.uniform();
  params.vocab = below(3) == 0 ? 2 : 50;
  // Prompts of up to twice the memory: some are refused.
  params.prompt_max = std::clamp(2 * pages * cache.page_tokens, 4, 96);
  params.output_max = 1 + log_below(0, 40);
  params.live_max = 1 + log_below(0, 24);
  params.submit = 0.05 + 0.9 * rng.uniform();
  params.burst = below(3) == 0 ? 0.5 : 0.05;
  params.again = rng.uniform();
  params.cancel = below(2) == 0 ? 0.2 * rng.uniform() : 0.005;
  params.poison = below(4) == 0 ? 0.02 : 0;
  params.stop = 0.2 * rng.uniform();
  params.deadline = below(3) == 0 ? 0.3 : 0.02;
  params.namespaces = 1 + below(3);
  params.priorities = 1 + below(4);
  return params;
}

std::string describe(const Params& params) {
  std::string text = fmt::format(
      "G {} slots {} stride {} cache {} bits {} seqs {} rows {} floor {} drafts {} preempt {} "
      "chunk {} groups",
      params.cache.page_tokens, params.cache.state_slots, params.cache.state_stride_tokens,
      params.cache.prefix_cache, params.cache.debug_hash_bits, params.scheduler.sequences_max,
      params.scheduler.step_tokens_max, params.scheduler.prefill_tokens_min, params.drafts,
      params.scheduler.debug_preempt_every, params.scheduler.debug_chunk_tokens);
  for (const cache::GroupConfig& group : params.cache.groups) {
    text += fmt::format(" {}x{}", group.page_count, group.window);
  }
  return text;
}

}  // namespace quire::scheduler::sim
