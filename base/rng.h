// Counter-based random numbers: a draw depends on its key and position alone, never on a history.
#pragma once

#include <cstdint>

namespace quire {

// Finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// 64 random bits for (key, position).
constexpr std::uint64_t random_bits(std::uint64_t key, std::uint64_t position) {
  return mix64(mix64(key + 0x9e3779b97f4a7c15ull) + (position + 1) * 0x9e3779b97f4a7c15ull);
}

// Uniform in [0, 1) with 53 bits.
constexpr double random_uniform(std::uint64_t key, std::uint64_t position) {
  return static_cast<double>(random_bits(key, position) >> 11) * 0x1p-53;
}

// A stateful generator over the same function, for tests and simulation.
class Rng {
 public:
  explicit constexpr Rng(std::uint64_t key) : key_(key) {}
  constexpr std::uint64_t bits() { return random_bits(key_, position_++); }
  constexpr double uniform() { return random_uniform(key_, position_++); }
  // Uniform in [0, limit); limit > 0. The bias of the modulo is below 2^-32 for limits below 2^32.
  constexpr std::uint64_t below(std::uint64_t limit) { return bits() % limit; }

 private:
  std::uint64_t key_;
  std::uint64_t position_ = 0;
};

}  // namespace quire
