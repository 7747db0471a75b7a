// A sorted vector of requests.
#include "scheduler/queue.h"

#include <algorithm>

#include "base/check.h"

namespace quire::scheduler {

std::vector<Request*>::iterator RequestQueue::place(const Request* request) {
  return std::ranges::lower_bound(requests_, request->rank, {},
                                  [](const Request* it) { return it->rank; });
}

void RequestQueue::insert(Request* request) { requests_.insert(place(request), request); }

void RequestQueue::erase(Request* request) {
  const auto at = place(request);
  CHECK(at != requests_.end() && *at == request, "request {} is not queued", request->input.id);
  requests_.erase(at);
}

std::int64_t RequestQueue::tokens() const {
  std::int64_t total = 0;
  for (const Request* request : requests_) total += request->known();
  return total;
}

}  // namespace quire::scheduler
