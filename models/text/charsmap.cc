// The unit layout is Darts-clone's: label in bits 0-7 and 31, leaf flag 8, offset 10-30 shifted by
// 8 when bit 9 is set.
#include "models/text/charsmap.h"

#include <cstring>

#include "models/text/unicode.h"

namespace quire::text {
namespace {

bool has_leaf(std::uint32_t unit) { return ((unit >> 8) & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFu; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob) {
  std::uint32_t trie_bytes = 0;
  if (blob.size() < sizeof(trie_bytes)) {
    return fail(ErrorCode::kInvalid, "precompiled_charsmap has {} bytes, fewer than its header",
                blob.size());
  }
  std::memcpy(&trie_bytes, blob.data(), sizeof(trie_bytes));
  blob.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes % 4 != 0 || trie_bytes < 1024 || trie_bytes >= blob.size()) {
    return fail(
        ErrorCode::kInvalid,
        "precompiled_charsmap declares a trie of {} bytes and has {} bytes behind its header",
        trie_bytes, blob.size());
  }
  Charsmap map;
  map.units_.resize(trie_bytes / 4);
  std::memcpy(map.units_.data(), blob.data(), trie_bytes);
  map.texts_ = blob.substr(trie_bytes);
  QUIRE_TRY(map.check());
  return map;
}

Status Charsmap::check_leaf(std::uint32_t unit) const {
  const std::uint32_t at = value_of(unit);
  const std::size_t end = at < texts_.size() ? texts_.find('\0', at) : std::string::npos;
  if (end == std::string::npos) {
    return fail(ErrorCode::kInvalid,
                "precompiled_charsmap: a replacement starts at {} of {} bytes and has no end", at,
                texts_.size());
  }
  const std::string_view text = std::string_view(texts_).substr(at, end - at);
  if (valid_utf8_prefix(text) != text.size()) {
    return fail(ErrorCode::kInvalid, "precompiled_charsmap: replacement at {} is not UTF-8", at);
  }
  return {};
}

// A state is the base that the next byte is added to. States form a tree: one that is reached twice
// is refused, for it could close a circle.
Status Charsmap::check() const {
  struct State {
    std::uint32_t base;
    int nested;  // keys that end on the way here
  };
  std::vector<bool> seen(units_.size() + 256, false);
  std::vector<State> open;
  const auto visit = [&](State state, std::uint32_t from) -> Status {
    // Every byte may follow, so the whole block of 256 must lie in the trie.
    if ((state.base | 0xFF) >= units_.size()) {
      return fail(ErrorCode::kInvalid, "precompiled_charsmap: unit {} points to {} of {} units",
                  from, state.base, units_.size());
    }
    if (seen[state.base]) {
      return fail(ErrorCode::kInvalid, "precompiled_charsmap: unit {} points to {} for a second time",
                  from, state.base);
    }
    if (state.nested > kNestedMax) {
      return fail(ErrorCode::kInvalid, "precompiled_charsmap: more than {} keys start one another",
                  kNestedMax);
    }
    seen[state.base] = true;
    open.push_back(state);
    return {};
  };
  QUIRE_TRY(visit({offset_of(units_[0]), 0}, 0));
  while (!open.empty()) {
    const State state = open.back();
    open.pop_back();
    for (std::uint32_t byte = 1; byte < 256; ++byte) {
      const std::uint32_t at = state.base ^ byte;
      if (label_of(units_[at]) != byte) continue;
      const std::uint32_t next = at ^ offset_of(units_[at]);
      const bool leaf = has_leaf(units_[at]);
      QUIRE_TRY(visit({next, state.nested + (leaf ? 1 : 0)}, at));
      if (leaf) QUIRE_TRY(check_leaf(units_[next]));
    }
  }
  return {};
}

std::optional<std::string_view> Charsmap::shortest_prefix(std::string_view text) const {
  std::uint32_t base = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<std::uint32_t>(static_cast<unsigned char>(c));
    if (byte == 0) break;
    const std::uint32_t at = base ^ byte;
    if (label_of(units_[at]) != byte) break;
    base = at ^ offset_of(units_[at]);
    if (has_leaf(units_[at])) return std::string_view(texts_.data() + value_of(units_[base]));
  }
  return std::nullopt;
}

}  // namespace quire::text
