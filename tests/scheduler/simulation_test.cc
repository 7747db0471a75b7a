// The whole scheduler and cache under a fake model, seeded clients and faults. Oracle: the fake
// model's next token is a function of all tokens before it, and a shadow memory holds what each
// page and state slot really contains, so a wrong page, copy, rollback or snapshot shows as a token
// that is not the request's own. The invariants of scheduler and cache are checked twice a step.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/scheduler/sim_world.h"

namespace quire::scheduler::sim {
namespace {

// QUIRE_SIM_SEEDS widens the run; QUIRE_SIM_FIRST repeats from a seed.
std::uint64_t from_environment(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void print_on_abort(std::uint64_t seed, const Params& params) {
  // A failed CHECK aborts: the last line printed names the seed.
  if (std::getenv("QUIRE_SIM_VERBOSE") != nullptr) {
    fmt::print(stderr, "seed {}: {}\n", seed, describe(params));
  }
}

void print(const Events& it) {
  fmt::print(
      "steps {} rows {} submitted {} refused {} finished {} cancelled {} (in step {}) expired {} "
      "poisoned {}\npreempted {} recomputed {} page copies {} state copies {} saves {} window {} "
      "resets {}\ndrafts {} accepted {} rolled back {} hits {} miss cold {} evicted {} state {} "
      "window {}\n",
      it.steps, it.rows, it.submitted, it.refused, it.finished, it.cancelled, it.cancelled_in_step,
      it.expired, it.poisoned, it.preempted, it.recomputed, it.page_copies, it.state_copies,
      it.state_saves, it.window_pages_freed, it.resets, it.drafts, it.accepted, it.rolled_back,
      it.hit_tokens, it.miss_cold, it.miss_evicted, it.miss_state, it.miss_window);
}

TEST(Simulation, SafeUnderFaults) {
  const std::uint64_t first = from_environment("QUIRE_SIM_FIRST", 0);
  const std::uint64_t seeds = from_environment("QUIRE_SIM_SEEDS", 1000);
  Events events;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const Params params = swarm_params(seed);
    print_on_abort(seed, params);
    World world(params, seed);
    for (int step = 0; step < 1000; ++step) world.step(true);
    // Liveness: without new work and faults every step moves some request a row further, and
    // little is computed twice. (Forced preemption repeats work on purpose.)
    const bool forced = params.scheduler.debug_preempt_every > 0;
    const std::int64_t work = world.work_left();
    const std::int64_t steps_max = 20 + (forced ? 20 : 1) * work;
    const auto rows_max = world.events().rows + static_cast<std::uint64_t>(200 + 2 * work);
    for (std::int64_t steps = 0; !world.idle(); ++steps) {
      ASSERT_LT(steps, steps_max) << "seed " << seed << ": " << describe(params);
      world.step(false);
    }
    ASSERT_TRUE(forced || world.events().rows <= rows_max) << "seed " << seed;
    world.check_end();
    events.add(world.events());
  }
  print(events);
  if (seeds < 1000) return;
  for (const std::uint64_t count :
       {events.refused, events.cancelled_in_step, events.expired, events.poisoned, events.preempted,
        events.page_copies, events.state_copies, events.state_saves, events.window_pages_freed,
        events.rolled_back, events.accepted, events.miss_evicted, events.miss_state,
        events.miss_window}) {
    EXPECT_GT(count, 1000u);
  }
}

TEST(Simulation, SameSeedSamePlans) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::uint64_t digests[2];
    for (std::uint64_t& digest : digests) {
      World world(swarm_params(seed), seed);
      for (int step = 0; step < 200; ++step) world.step(true);
      digest = world.digest();
    }
    EXPECT_EQ(digests[0], digests[1]) << seed;
  }
}

}  // namespace
}  // namespace quire::scheduler::sim
