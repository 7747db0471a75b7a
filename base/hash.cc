// Keyed SplitMix64 chains.
#include "base/hash.h"

#include <bit>
#include <cstring>

#include "base/rng.h"

namespace quire {

Hasher& Hasher::add(std::uint64_t word) {
  state_.high = mix64(state_.high ^ word) + 0x9e3779b97f4a7c15ull;
  state_.low = mix64(std::rotl(state_.low, 29) + word * 0xd6e8feb86659fd93ull) ^ state_.high;
  return *this;
}

Hasher& Hasher::add(std::string_view bytes) {
  add(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
    add(word);
  }
  return *this;
}

Hasher& Hasher::add(std::span<const std::int32_t> tokens) {
  add(tokens.size());
  for (const std::int32_t token : tokens) add(static_cast<std::uint32_t>(token));
  return *this;
}

Hash128 Hasher::digest() const {
  return {mix64(state_.high ^ state_.low), mix64(state_.low + 0x9e3779b97f4a7c15ull)};
}

}  // namespace quire
