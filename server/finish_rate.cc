// A ring of the last finishes; the rate is their number over the time since the oldest.
#include "server/finish_rate.h"

#include <algorithm>
#include <cmath>

namespace quire::server {

void FinishRate::observe(std::int64_t prompt_tokens, Time now) {
  const std::lock_guard lock(mutex_);
  finishes_[count_++ % kKept] = {now, prompt_tokens};
}

double FinishRate::seconds_until(const Excess& excess, Time now) const {
  const std::lock_guard lock(mutex_);
  Time oldest = now;
  std::int64_t choices = 0;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < std::min(count_, kKept); ++i) {
    const Finish& finish = finishes_[i];
    if (now - finish.at > kMemory) continue;
    oldest = std::min(oldest, finish.at);
    ++choices;
    tokens += finish.prompt_tokens;
  }
  const double span = to_seconds(now - oldest);
  if (choices < 2 || span <= 0) return -1;
  double seconds = static_cast<double>(excess.choices) * span / static_cast<double>(choices);
  if (tokens > 0) {
    seconds = std::max(
        seconds, static_cast<double>(excess.prompt_tokens) * span / static_cast<double>(tokens));
  }
  return seconds;
}

double seconds_until_freed(std::vector<Outlook> running, const Excess& excess) {
  std::sort(running.begin(), running.end(),
            [](const Outlook& a, const Outlook& b) { return a.seconds_left < b.seconds_left; });
  Excess freed;
  for (const Outlook& request : running) {
    freed.choices += request.leaves.choices;
    freed.prompt_tokens += request.leaves.prompt_tokens;
    if (freed.choices >= excess.choices && freed.prompt_tokens >= excess.prompt_tokens) {
      return request.seconds_left;
    }
  }
  return running.empty() ? 0 : running.back().seconds_left;
}

int retry_after_seconds(double seconds) {
  constexpr double kMost = 60;
  return static_cast<int>(std::ceil(std::clamp(seconds, 1.0, kMost)));
}

}  // namespace quire::server
