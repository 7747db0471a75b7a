// 128-bit hashes for content-addressed pages and media.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace quire {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

// Two independently keyed 64-bit chains (SplitMix64 rounds). Stable over restarts and machines.
// Not collision-proof against an attacker: users of the hash compare the hashed content on a hit.
class Hasher {
 public:
  explicit Hasher(Hash128 seed = {0x71756972655f6869ull, 0x71756972655f6c6full}) : state_(seed) {}
  Hasher& add(std::uint64_t word);
  Hasher& add(std::string_view bytes);
  Hasher& add(std::span<const std::int32_t> tokens);
  Hash128 digest() const;

 private:
  Hash128 state_;
};

}  // namespace quire

template <>
struct std::hash<quire::Hash128> {
  std::size_t operator()(const quire::Hash128& hash) const noexcept {
    return static_cast<std::size_t>(hash.low);
  }
};
