// The state machine of a request.
#include "scheduler/request_state.h"

#include <algorithm>

#include "base/check.h"

namespace quire::scheduler {

std::string_view name(RequestState state) {
  switch (state) {
    case RequestState::kWaiting:
      return "waiting";
    case RequestState::kRunning:
      return "running";
    case RequestState::kFinished:
      return "finished";
    case RequestState::kCancelled:
      return "cancelled";
    case RequestState::kExpired:
      return "expired";
    case RequestState::kFailed:
      return "failed";
  }
  return "unknown";
}

Rank rank_of(const NewRequest& request, Time ageing, std::uint64_t serial) {
  constexpr std::int64_t kFar = std::int64_t{1} << 60;  // 36 years: far from overflow
  const auto level = static_cast<double>(request.priority) * static_cast<double>(ageing.count());
  const double shift = std::clamp(level, -static_cast<double>(kFar), static_cast<double>(kFar));
  const std::int64_t arrival = std::clamp(request.arrival.count(), -kFar, kFar);
  return {arrival + static_cast<std::int64_t>(shift), serial};
}

void Request::enter(RequestState next) {
  const bool ends = next != RequestState::kWaiting && next != RequestState::kRunning;
  const bool ran = next == RequestState::kFinished || next == RequestState::kFailed;
  const bool legal = (state == RequestState::kWaiting && next == RequestState::kRunning) ||
                     (state == RequestState::kRunning && next == RequestState::kWaiting) ||
                     (state == RequestState::kRunning && ends) ||
                     (state == RequestState::kWaiting && ends && !ran);
  CHECK(legal, "request {} cannot go from {} to {}", input.id, name(state), name(next));
  CHECK((next == RequestState::kRunning) == (sequence >= 0),
        "request {} enters {} with sequence {}", input.id, name(next), sequence);
  state = next;
}

}  // namespace quire::scheduler
