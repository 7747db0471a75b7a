// Requests in the order of their ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/request_state.h"

namespace quire::scheduler {

// Does not own. Small (hundreds): a sorted vector.
class RequestQueue {
 public:
  void insert(Request* request);
  void erase(Request* request);  // REQUIRES: it is there

  bool empty() const { return requests_.empty(); }
  int size() const { return static_cast<int>(requests_.size()); }
  Request* front() const { return requests_.front(); }
  const std::vector<Request*>& requests() const { return requests_; }
  std::int64_t tokens() const;  // known ones, of all

 private:
  std::vector<Request*>::iterator place(const Request* request);

  std::vector<Request*> requests_;
};

}  // namespace quire::scheduler
