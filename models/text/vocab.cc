// Open addressing over one arena of bytes: 150,000 tokens load in milliseconds.
#include "models/text/vocab.h"

#include <algorithm>
#include <cstring>

namespace quire::text {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const char* data, std::size_t bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, data, bytes);
  return word;
}

std::string shown(std::string_view token) {
  return std::string(token.substr(0, std::min<std::size_t>(token.size(), 64)));
}

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15ull;
  constexpr std::uint64_t kB = 0xD6E8FEB86659FD93ull;
  std::uint64_t state = mix(bytes.size() ^ kA, kB);
  while (bytes.size() > 8) {
    state = mix(state ^ load(bytes.data(), 8), kA);
    bytes.remove_prefix(8);
  }
  return mix(state ^ load(bytes.data(), bytes.size()), kB);
}

std::size_t Vocab::slot_of(std::string_view token) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash_bytes(token) & mask;
  while (slots_[slot] >= 0 && this->token(slots_[slot]) != token) slot = (slot + 1) & mask;
  return slot;
}

void Vocab::grow() {
  const std::vector<std::int32_t> old = std::move(slots_);
  slots_.assign(std::max<std::size_t>(1024, old.size() * 2), -1);
  for (const std::int32_t id : old) {
    if (id >= 0) slots_[slot_of(token(id))] = id;
  }
}

Status Vocab::store(std::string_view token, std::int32_t id) {
  if (id < 0 || id >= kIdMax) {
    return fail(ErrorCode::kInvalid, "token \"{}\" has id {}, allowed are 0 to {}", shown(token),
                id, kIdMax - 1);
  }
  if (expected_ && static_cast<std::size_t>(id) >= id_limit(*expected_)) {
    return fail(ErrorCode::kInvalid, "token \"{}\" has id {} although there are only {} tokens",
                shown(token), id, *expected_);
  }
  if (has(id)) {
    return fail(ErrorCode::kInvalid, "tokens \"{}\" and \"{}\" share the id {}",
                shown(this->token(id)), shown(token), id);
  }
  if (static_cast<std::size_t>(id) >= entries_.size()) entries_.resize(id + 1);
  entries_[id] = {arena_.size(), static_cast<std::uint32_t>(token.size()), true};
  arena_.append(token);
  token_bytes_max_ = std::max(token_bytes_max_, token.size());
  ++count_;
  if ((used_slots_ + 1) * 2 > slots_.size()) grow();
  return {};
}

Status Vocab::add(std::string_view token, std::int32_t id) {
  if (const std::int32_t other = find(token); other >= 0) {
    return fail(ErrorCode::kInvalid, "token \"{}\" has two ids, {} and {}", shown(token), other,
                id);
  }
  return add_or_take_over(token, id);
}

Status Vocab::add_or_take_over(std::string_view token, std::int32_t id) {
  QUIRE_TRY(store(token, id));
  std::int32_t& slot = slots_[slot_of(token)];
  used_slots_ += slot < 0;
  slot = id;
  return {};
}

std::int32_t Vocab::find(std::string_view token) const {
  return slots_.empty() ? -1 : slots_[slot_of(token)];
}

std::string_view Vocab::token(std::int32_t id) const {
  if (!has(id)) return {};
  return std::string_view(arena_).substr(entries_[id].offset, entries_[id].bytes);
}

bool Vocab::has(std::int32_t id) const {
  return id >= 0 && static_cast<std::size_t>(id) < entries_.size() && entries_[id].present;
}

}  // namespace quire::text
