// Memory that products of many rows call into the cache while they compute: the keys and values
// that the next attention reads. Such products leave most of the memory's bandwidth idle, attention
// waits for it. Results do not depend on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quire::kernels {

// Pieces of memory; each is handed out once, in order, to whichever thread asks.
class ReadAhead {
 public:
  // Pieces of `bytes` bytes each, at starts[i] + offset. REQUIRES: no thread is inside take().
  void aim(std::span<const std::byte* const> starts, std::int64_t offset, std::int64_t bytes) {
    starts_ = starts;
    offset_ = offset;
    bytes_ = bytes;
    next_.store(0, std::memory_order_relaxed);
  }
  // Empty when all pieces are taken.
  std::span<const std::byte> take() {
    const std::size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= starts_.size()) return {};
    return {starts_[i] + offset_, static_cast<std::size_t>(bytes_)};
  }

 private:
  std::span<const std::byte* const> starts_;
  std::int64_t offset_ = 0, bytes_ = 0;
  std::atomic<std::size_t> next_{0};
};

// One thread's place in it.
class ReadCursor {
 public:
  // Null: nothing to call for.
  explicit ReadCursor(ReadAhead* source) : source_(source) {}

  // Calls for up to `lines` lines of 64 bytes.
  __attribute__((always_inline)) void call(std::int64_t lines) {
    if (at_ >= end_ && !refill()) return;
    for (std::int64_t i = 0; i < lines; ++i, at_ += 64) __builtin_prefetch(at_, 0, 2);
  }

 private:
  __attribute__((noinline)) bool refill() {
    if (source_ == nullptr) return false;
    const std::span<const std::byte> piece = source_->take();
    if (piece.empty()) source_ = nullptr;
    at_ = piece.data();
    end_ = at_ + piece.size();
    return !piece.empty();
  }

  ReadAhead* source_;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
};

}  // namespace quire::kernels
