// What one rendering of a chat template may use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire::text {

// Bounds on one rendering; exceeding one is an error, never a crash. Values from
// measured abuse of other servers' template engines.
struct TemplateLimits {
  // Evaluated nodes; large texts and lists count as several.
  std::int64_t fuel = 2'000'000;
  // Each value of the context adds this much, up to 15 times the above: published templates that
  // search all messages for each message need 5 M steps for 1,000 messages (0.2 s).
  std::int64_t fuel_per_value = 2'000;
  std::size_t output_bytes = 8u << 20;
  int depth = 64;  // nesting of blocks and expressions in the source; of calls when rendering
  std::int64_t range_items = 100'000;
  std::size_t repeated_string_bytes = 1u << 20;
};

}  // namespace quire::text
