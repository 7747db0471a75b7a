// How fast requests leave, for a Retry-After that tells the truth.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/clock.h"

namespace quire::server {

// What has to leave before a request can be taken.
struct Excess {
  std::int64_t choices = 0;
  std::int64_t prompt_tokens = 0;
};

// Thread-safe. Rates are those of the last finishes, so that they follow the load.
class FinishRate {
 public:
  void observe(std::int64_t prompt_tokens, Time now);
  // Seconds until so much has left, if it goes on as it did; below 0: nothing is known, since
  // fewer than two finishes were seen within the memory.
  double seconds_until(const Excess& excess, Time now) const;

 private:
  static constexpr std::size_t kKept = 64;
  static constexpr Time kMemory = std::chrono::seconds(120);
  struct Finish {
    Time at = Time::zero();
    std::int64_t prompt_tokens = 0;
  };
  mutable std::mutex mutex_;
  std::array<Finish, kKept> finishes_{};
  std::size_t count_ = 0;
};

// A request at work: when it must have ended, and what leaves with it.
struct Outlook {
  double seconds_left = 0;
  Excess leaves = {};
};

// Seconds until so much has left, if every request goes on to its limit; the last of them where
// that is never enough.
double seconds_until_freed(std::vector<Outlook> running, const Excess& excess);

// Seconds for the Retry-After field: rounded up, at least 1, at most 60 (clients give up above).
int retry_after_seconds(double seconds);

}  // namespace quire::server
