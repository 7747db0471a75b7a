// Large zeroed memory blocks with huge pages, for weights, pages, states and scratch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace quire {

// Owns one anonymous mapping, 2 MiB aligned, advised MADV_HUGEPAGE. Reads as zero until written;
// memory is taken from the system at first touch. Movable, not copyable.
class Arena {
 public:
  Arena() = default;
  // Aborts with the size in the message when the address space is exhausted: callers compare
  // with the memory limit before they ask.
  explicit Arena(std::size_t bytes);
  ~Arena();
  Arena(Arena&& other) noexcept { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    swap(other);
    return *this;
  }

  // Takes all memory from the system now. False where the system has none left or does not know
  // how; what was taken stays.
  bool populate();

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(Arena& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapping_, other.mapping_);
    std::swap(mapping_bytes_, other.mapping_bytes_);
  }

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
};

}  // namespace quire
