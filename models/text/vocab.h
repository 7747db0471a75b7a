// The two-way table between token spellings and ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::text {

// A fast 64-bit hash for in-memory tables; not stable over versions, not for untrusted buckets
// larger than the table it serves.
std::uint64_t hash_bytes(std::string_view bytes);

// Ids are dense enough for an array.
class Vocab {
 public:
  static constexpr std::int32_t kIdMax = 1 << 24;

  // Ids that a file chooses are limited by the number of its tokens, before any is stored: at most
  // id_limit(count), a gap that no real vocabulary has.
  static constexpr std::size_t id_limit(std::size_t count) { return count * 8 + 100'000; }
  void expect(std::size_t count) { expected_ = count; }

  // Refuses a token or id that is already there. A token may be empty.
  Status add(std::string_view token, std::int32_t id);
  // The token's spelling for decoding; a later id takes the token over (Unigram lists repeat some).
  Status add_or_take_over(std::string_view token, std::int32_t id);

  std::int32_t find(std::string_view token) const;  // -1: none
  std::string_view token(std::int32_t id) const;    // empty: none
  bool has(std::int32_t id) const;
  std::int32_t id_end() const { return static_cast<std::int32_t>(entries_.size()); }
  std::size_t count() const { return count_; }
  std::size_t token_bytes_max() const { return token_bytes_max_; }

 private:
  struct Entry {
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
    bool present = false;
  };
  Status store(std::string_view token, std::int32_t id);
  std::size_t slot_of(std::string_view token) const;
  void grow();

  std::string arena_;
  std::vector<Entry> entries_;       // by id
  std::vector<std::int32_t> slots_;  // open addressing, -1 empty; the size is a power of two
  std::optional<std::size_t> expected_;
  std::size_t count_ = 0;
  std::size_t used_slots_ = 0;
  std::size_t token_bytes_max_ = 0;
};

}  // namespace quire::text
