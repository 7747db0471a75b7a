// Answers of /v1/responses that later requests may continue: in memory, bounded, forgotten in
// order of use.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace quire::server {

struct StoredResponse {
  std::string body;          // as it was answered
  std::string conversation;  // JSON: chat's messages up to and with the answer, no instructions
};

struct ResponseStoreLimits {
  std::size_t entries = 1024;
  std::size_t bytes = 64u << 20;
  Time age = std::chrono::hours(1);
};

// Thread-safe.
class ResponseStore {
 public:
  explicit ResponseStore(const ResponseStoreLimits& limits = {}) : limits_(limits) {}

  // An entry that alone exceeds the limit is not kept.
  void put(const std::string& id, StoredResponse response, Time now);
  // Makes the entry the last to be forgotten; null when there is none.
  std::shared_ptr<const StoredResponse> get(const std::string& id, Time now);
  bool erase(const std::string& id, Time now);
  std::size_t size() const;

 private:
  struct Entry {
    std::string id;
    std::shared_ptr<const StoredResponse> response;
    std::size_t bytes = 0;
    Time at = Time::zero();
  };
  using Place = std::list<Entry>::iterator;
  void forget(Place place);
  void forget_old(Time now);

  const ResponseStoreLimits limits_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // least recently used first
  std::unordered_map<std::string, Place> by_id_;
  std::size_t bytes_ = 0;
};

}  // namespace quire::server
