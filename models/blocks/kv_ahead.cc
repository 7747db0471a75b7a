// The order is that of PagedAttention: all units of one kv head, then the next head.
#include "models/blocks/kv_ahead.h"

#include <unistd.h>

#include <algorithm>

namespace quire::models {
namespace {

constexpr std::int64_t kPieceBytesMin = 4096;
constexpr std::int64_t kBytesMax = std::int64_t{64} << 20;
constexpr std::int64_t kCacheUnknown = std::int64_t{16} << 20;

}  // namespace

std::int64_t KvAhead::cache_share() {
#if defined(_SC_LEVEL3_CACHE_SIZE)
  const std::int64_t cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
#else
  const std::int64_t cache = 0;
#endif
  return std::min(kBytesMax, (cache > 0 ? cache : kCacheUnknown) / 2);
}

KvAhead::KvAhead(const MemoryLayout& layout, std::int64_t bytes_max) : sites_(layout.kv) {
  for (const KvGroup& of : layout.groups) {
    Group group;
    group.layout = of.layout;
    group.window = of.window;
    const std::int64_t of_head = of.layout.layer_page_bytes() / of.layout.kv_heads;
    group.piece_bytes = of_head >= kPieceBytesMin ? of_head : of.layout.layer_page_bytes();
    group.starts.reserve(static_cast<std::size_t>(bytes_max / group.piece_bytes));
    groups_.push_back(std::move(group));
  }
}

void KvAhead::plan(const Step& step) {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    group.starts.clear();
    if (step.rows() < kRowsMin) continue;
    const bool by_head = group.piece_bytes < group.layout.layer_page_bytes();
    for (int head = 0; head < (by_head ? group.layout.kv_heads : 1); ++head) list(step, i, head);
  }
  aim(0);
}

void KvAhead::pass(int layer) {
  if (sites_[static_cast<std::size_t>(layer)].group >= 0) aim(layer + 1);
}

// At the first layer from `layer` on that keeps keys, or at nothing.
void KvAhead::aim(int layer) {
  for (auto i = static_cast<std::size_t>(layer); i < sites_.size(); ++i) {
    const KvSite& site = sites_[i];
    if (site.group < 0) continue;
    const Group& group = groups_[static_cast<std::size_t>(site.group)];
    return source_.aim(group.starts, site.layer_offset, group.piece_bytes);
  }
  source_.aim({}, 0, 0);
}

void KvAhead::list(const Step& step, std::size_t index, int head) {
  Group& group = groups_[index];
  const Place place = {{.layout = group.layout,
                        .base = step.memory.kv_base[index],
                        .page_bytes = step.memory.kv_page_bytes[index]},
                       group.layout.head_offset(head)};
  Tokens listed;  // the last table of the units before
  int last_sequence = -1;
  for (const PageSharing::Unit& unit : step.sharing[index].units()) {
    if (unit.block < 0) {
      for (const kernels::SharedAttention::Piece& piece : unit.pieces) {
        const auto& row = unit.rows[static_cast<std::size_t>(piece.row)];
        add(group, place, {row.table, piece.begin, piece.end}, listed);
      }
      listed = {unit.rows.back().table, 0, unit.rows.back().position + 1};
      continue;
    }
    // The blocks of a sequence follow each other, and the first one sees the most.
    const RowBlock& block = step.blocks[static_cast<std::size_t>(unit.block)];
    if (block.sequence == last_sequence) continue;
    last_sequence = block.sequence;
    const auto& sequence = step.input.sequences[static_cast<std::size_t>(block.sequence)];
    Tokens tokens = {sequence.page_tables[index].data(), 0, block.position + block.rows};
    if (group.window > 0)
      tokens.begin = std::max<std::int64_t>(0, sequence.position - group.window + 1);
    add(group, place, tokens, listed);
    listed = tokens;
  }
}

void KvAhead::add(Group& group, const Place& place, const Tokens& tokens, const Tokens& listed) {
  const std::int64_t step = group.layout.page_tokens;
  for (std::int64_t at = tokens.begin / step * step; at < tokens.end; at += step) {
    const std::int32_t page = tokens.table[at / step];
    if (listed.begin <= at && at < listed.end && listed.table[at / step] == page) continue;
    if (group.starts.size() == group.starts.capacity()) return;
    group.starts.push_back(place.kv.base + page * place.kv.page_bytes + place.head_offset);
  }
}

}  // namespace quire::models
