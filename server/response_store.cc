// Age counts from the last use, so the list is ordered by age as well.
#include "server/response_store.h"

#include <utility>

namespace quire::server {

void ResponseStore::put(const std::string& id, StoredResponse response, Time now) {
  const std::size_t bytes = id.size() + response.body.size() + response.conversation.size();
  const std::lock_guard lock(mutex_);
  forget_old(now);
  if (const auto known = by_id_.find(id); known != by_id_.end()) forget(known->second);
  if (bytes > limits_.bytes || limits_.entries == 0) return;
  while (entries_.size() >= limits_.entries || bytes_ + bytes > limits_.bytes) {
    forget(entries_.begin());
  }
  entries_.push_back({id, std::make_shared<const StoredResponse>(std::move(response)), bytes, now});
  by_id_[id] = std::prev(entries_.end());
  bytes_ += bytes;
}

std::shared_ptr<const StoredResponse> ResponseStore::get(const std::string& id, Time now) {
  const std::lock_guard lock(mutex_);
  forget_old(now);
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return nullptr;
  known->second->at = now;
  entries_.splice(entries_.end(), entries_, known->second);
  return known->second->response;
}

bool ResponseStore::erase(const std::string& id, Time now) {
  const std::lock_guard lock(mutex_);
  forget_old(now);
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return false;
  forget(known->second);
  return true;
}

std::size_t ResponseStore::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void ResponseStore::forget(Place place) {
  bytes_ -= place->bytes;
  by_id_.erase(place->id);
  entries_.erase(place);
}

void ResponseStore::forget_old(Time now) {
  while (!entries_.empty() && now - entries_.front().at > limits_.age) forget(entries_.begin());
}

}  // namespace quire::server
