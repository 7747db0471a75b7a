// Time as a value: the server reads a steady clock, tests turn a virtual one by hand.
#pragma once

#include <chrono>

namespace quire {

// Nanoseconds since an arbitrary fixed start; never goes back.
using Time = std::chrono::nanoseconds;

inline double to_seconds(Time time) { return std::chrono::duration<double>(time).count(); }
inline Time from_seconds(double seconds) {
  return std::chrono::duration_cast<Time>(std::chrono::duration<double>(seconds));
}

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
};

// Thread-safe.
class SteadyClock final : public Clock {
 public:
  Time now() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

class VirtualClock final : public Clock {
 public:
  Time now() const override { return now_; }
  void advance(Time by) { now_ += by; }

 private:
  Time now_ = Time::zero();
};

}  // namespace quire
