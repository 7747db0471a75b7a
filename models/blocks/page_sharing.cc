// Sorts the rows of a step by their page tables: rows with a common beginning come to stand side
// by side, and what each has in common with its neighbour cuts the contexts into pieces.
#include "models/blocks/page_sharing.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "models/blocks/step.h"

namespace quire::models {
namespace {

constexpr std::int64_t kBlock = kernels::KvLayout::kBlock;

int rows_of_unit(const KvGroup& group, int heads_per_kv) {
  // A window leaves few tokens to share, and its queries do not see all of them.
  if (group.window > 0) return 1;
  return std::max(1, kernels::SharedAttention::kQueriesMax / heads_per_kv);
}

}  // namespace

PageSharing::PageSharing(const KvGroup& group, int heads_per_kv, int rows_max)
    : page_tokens_(group.layout.page_tokens),
      kv_heads_(group.layout.kv_heads),
      rows_max_(rows_of_unit(group, heads_per_kv)) {
  const auto rows = static_cast<std::size_t>(rows_max);
  units_.reserve(rows);
  in_shared_.reserve(rows);
  if (rows_max_ < 2) return;
  candidates_.reserve(rows);
  rows_.reserve(rows);
  pieces_.reserve(2 * rows);
}

// Tokens of the same pages that both rows see, without the last of either.
std::int64_t PageSharing::common_tokens(const Candidate& a, const Candidate& b) const {
  const std::int64_t tokens = std::min(a.position, b.position) / kBlock * kBlock;
  const std::int64_t pages = (tokens + page_tokens_ - 1) / page_tokens_;
  const auto differ = std::mismatch(a.table.begin(), a.table.begin() + pages, b.table.begin());
  return std::min(tokens, (differ.first - a.table.begin()) * page_tokens_);
}

void PageSharing::list_candidates(const StepInput& input, std::span<const RowBlock> blocks,
                                  std::size_t index) {
  candidates_.clear();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const RowBlock& block = blocks[i];
    // From kTokensMin on, the rows of a block have enough in common to stay together.
    if (block.rows > kBlockRowsMax || block.position < kTokensMin) continue;
    const auto& tables = input.sequences[static_cast<std::size_t>(block.sequence)].page_tables;
    for (int r = 0; r < block.rows; ++r) {
      candidates_.push_back({.block = static_cast<int>(i),
                             .row = block.row + r,
                             .position = block.position + r,
                             .table = tables[index]});
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    if (a.block == b.block) return a.row < b.row;
    const std::size_t pages = std::min(a.table.size(), b.table.size());
    const int order = std::memcmp(a.table.data(), b.table.data(), pages * sizeof(std::int32_t));
    if (order != 0) return order < 0;
    if (a.table.size() != b.table.size()) return a.table.size() < b.table.size();
    return a.block < b.block;
  });
  for (std::size_t i = 1; i < candidates_.size(); ++i)
    candidates_[i].common = common_tokens(candidates_[i - 1], candidates_[i]);
}

// Pieces of the candidates [begin, end) from token `from` on, which all of them have in common.
void PageSharing::cut_pieces(std::size_t unit, std::size_t begin, std::size_t end,
                             std::int64_t from) {
  const int row = static_cast<int>(begin - unit);
  if (end - begin == 1) {
    pieces_.push_back({row, 1, from, candidates_[begin].position + 1});
    return;
  }
  std::int64_t to = candidates_[begin + 1].common;
  for (std::size_t i = begin + 2; i < end; ++i) to = std::min(to, candidates_[i].common);
  if (to > from) pieces_.push_back({row, static_cast<int>(end - begin), from, to});
  for (std::size_t i = begin, next; i < end; i = next) {
    next = i + 1;
    while (next < end && candidates_[next].common > to) ++next;
    cut_pieces(unit, i, next, to);
  }
}

void PageSharing::add_shared(std::size_t begin, std::size_t end) {
  const std::size_t row = rows_.size(), piece = pieces_.size();
  for (std::size_t i = begin; i < end; ++i) {
    const Candidate& c = candidates_[i];
    rows_.push_back({.index = c.row, .position = c.position, .table = c.table.data()});
    in_shared_[static_cast<std::size_t>(c.block)] = 1;
  }
  cut_pieces(begin, begin, end, 0);
  units_.push_back(
      {.rows = std::span(rows_).subspan(row), .pieces = std::span(pieces_).subspan(piece)});
}

// Units for all threads come before wide ones.
std::size_t PageSharing::unit_rows(int threads) const {
  const auto units = static_cast<std::size_t>(2 * threads / kv_heads_ + 1);
  return std::clamp<std::size_t>(candidates_.size() / units, 2,
                                 static_cast<std::size_t>(rows_max_));
}

void PageSharing::find(const StepInput& input, std::span<const RowBlock> blocks, std::size_t index,
                       int threads) {
  units_.clear();
  rows_.clear();
  pieces_.clear();
  in_shared_.assign(blocks.size(), 0);
  if (rows_max_ > 1) {
    list_candidates(input, blocks, index);
    for (std::size_t begin = 0, end; begin < candidates_.size(); begin = end) {
      end = begin + 1;
      while (end < candidates_.size() && candidates_[end].common >= kTokensMin) ++end;
      if (candidates_[begin].block == candidates_[end - 1].block) continue;
      for (std::size_t at = begin; at < end; at += unit_rows(threads))
        add_shared(at, std::min(end, at + unit_rows(threads)));
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (in_shared_[i] == 0) units_.push_back({.block = static_cast<int>(i)});
  }
}

}  // namespace quire::models
