// The real scheduler, cache and step loop under a fake model: every answer must equal the one that
// a direct loop without pages or batches gives, whatever else happens; invariants hold after every
// step; and when faults cease, everything finishes.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/world.h"

namespace quire::sim {
namespace {

// QUIRE_SIM_WORLDS sets the worlds of each test: few under sanitizers, many for long runs.
const char* const kWorlds = std::getenv("QUIRE_SIM_WORLDS");
int worlds() { return kWorlds == nullptr ? 1500 : std::max(1, std::atoi(kWorlds)); }

void report(const char* name, const WorldCounts& counts) {
  fmt::print(
      "{}: {} steps, {} requests ({} refused), {} tokens; {} stops ({} strings), {} lengths, {} "
      "aborts, {} timeouts, {} errors; {} preemptions, {}/{} drafts accepted, {} cached tokens, {} "
      "resets, {} scored prompts, {} requests with choices, {} with a grammar, {} with a chain of "
      "samplers; fingerprint {:016x}\n",
      name, counts.steps, counts.requests, counts.refused, counts.tokens, counts.stops,
      counts.stop_strings, counts.lengths, counts.aborts, counts.timeouts, counts.errors,
      counts.preemptions, counts.accepted, counts.drafts, counts.cached_tokens, counts.resets,
      counts.scored_prompts, counts.shared_choices, counts.structured, counts.chained,
      counts.fingerprint);
}

TEST(Simulation, SafetyWithFaultsThroughout) {
  WorldCounts all;
  for (int seed = 0; seed < worlds(); ++seed) {
    SCOPED_TRACE(seed);
    World world(random_world(static_cast<std::uint64_t>(seed)));
    for (int i = 0; i < 1500; ++i) world.round(true, true);
    world.drain();
    all.add(world.counts());
    if (::testing::Test::HasFailure()) break;
  }
  report("safety", all);
  if (worlds() < 1000) return;  // too few to have met everything
  for (const std::int64_t event :
       {all.stops, all.stop_strings, all.lengths, all.aborts, all.timeouts, all.errors, all.refused,
        all.preemptions, all.accepted, all.cached_tokens, all.resets, all.scored_prompts,
        all.shared_choices, all.structured, all.chained}) {
    EXPECT_GT(event, 100);
  }
}

TEST(Simulation, LivenessAfterFaults) {
  WorldCounts all;
  for (int seed = 0; seed < worlds(); ++seed) {
    SCOPED_TRACE(seed);
    World world(random_world(static_cast<std::uint64_t>(seed) + 1'000'000));
    for (int burst = 0; burst < 4; ++burst) {
      for (int i = 0; i < 250; ++i) world.round(true, true);
      world.drain();  // every accepted request ends, and nothing stays behind
    }
    all.add(world.counts());
    if (::testing::Test::HasFailure()) break;
  }
  report("liveness", all);
}

TEST(Simulation, SameSeedSameHistory) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    WorldCounts counts[2];
    for (WorldCounts& count : counts) {
      World world(random_world(seed));
      for (int i = 0; i < 500; ++i) world.round(true, true);
      world.drain();
      count = world.counts();
    }
    EXPECT_EQ(counts[0].fingerprint, counts[1].fingerprint);
    EXPECT_EQ(counts[0].steps, counts[1].steps);
  }
}

}  // namespace
}  // namespace quire::sim
