// The unit layout is Darts-clone's: label in bits 0-7 and 31, leaf flag 8, offset 10-30 shifted by
// 8 when bit 9 is set.
#include "models/text/charsmap.h"

#include <algorithm>
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

// A state is the base that the next byte is added to; the trie may share states, but must not go in
// circles. Depth first, each state once.
Status Charsmap::check() const {
  constexpr std::uint8_t kNew = 0xFF;
  constexpr std::uint8_t kOpen = 0xFE;
  std::vector<std::uint8_t> nested(units_.size(), kNew);  // most keys that end on one way below
  struct Visit {
    std::uint32_t base;
    std::uint32_t byte = 1;
    std::uint8_t nested = 0;
  };
  std::vector<Visit> open;
  const auto enter = [&](std::uint32_t base, std::uint32_t from) -> Status {
    // Every byte may follow, so the whole block of 256 must lie in the trie.
    if ((base | 0xFF) >= units_.size()) {
      return fail(ErrorCode::kInvalid, "precompiled_charsmap: unit {} points to {} of {} units",
                  from, base, units_.size());
    }
    if (nested[base] == kOpen) {
      return fail(ErrorCode::kInvalid, "precompiled_charsmap: unit {} closes a circle to {}", from,
                  base);
    }
    if (nested[base] == kNew) {
      nested[base] = kOpen;
      open.push_back({base});
    }
    return {};
  };
  QUIRE_TRY(enter(offset_of(units_[0]), 0));
  while (!open.empty()) {
    Visit& visit = open.back();
    if (visit.byte == 256) {
      nested[visit.base] = visit.nested;
      open.pop_back();
      continue;
    }
    const std::uint32_t at = visit.base ^ visit.byte;
    const std::uint32_t next = at ^ offset_of(units_[at]);
    const bool is_edge = label_of(units_[at]) == visit.byte;
    if (is_edge && (next >= units_.size() || nested[next] >= kOpen)) {
      QUIRE_TRY(enter(next, at));  // comes back to the same byte when the state below is done
      continue;
    }
    ++visit.byte;
    if (!is_edge) continue;
    const bool leaf = has_leaf(units_[at]);
    if (leaf) QUIRE_TRY(check_leaf(units_[next]));
    visit.nested = std::max<std::uint8_t>(visit.nested, nested[next] + (leaf ? 1 : 0));
    if (visit.nested > kNestedMax) {
      return fail(ErrorCode::kInvalid, "precompiled_charsmap: more than {} keys start one another",
                  kNestedMax);
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
