// Steps of many sequences with random page tables, for tests of what a step plans.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "models/blocks/step.h"

namespace quire::models {

inline constexpr int kPageTokens = 32;

inline KvGroup group_of(int kv_heads, std::int64_t window = 0) {
  KvGroup group;
  group.layout.kv_heads = kv_heads;
  group.layout.page_tokens = kPageTokens;
  group.window = window;
  return group;
}

// Sequences with one table each and a block of rows at their ends.
struct Crowd {
  std::vector<std::vector<std::int32_t>> tables;
  std::vector<std::span<const std::int32_t>> views;
  std::vector<SequenceInput> sequences;
  std::vector<RowBlock> blocks;
  std::vector<std::int32_t> tokens;
  int rows = 0;

  void add(std::vector<std::int32_t> table, std::int64_t position, int count) {
    tables.push_back(std::move(table));
    blocks.push_back({.sequence = static_cast<int>(blocks.size()),
                      .row = rows,
                      .rows = count,
                      .position = position});
    rows += count;
  }
  StepInput input() {
    views.assign(tables.begin(), tables.end());
    sequences.clear();
    for (std::size_t i = 0; i < tables.size(); ++i)
      sequences.push_back({.row_begin = blocks[i].row,
                           .row_count = blocks[i].rows,
                           .position = blocks[i].position,
                           .page_tables = std::span(views).subspan(i, 1)});
    tokens.resize(static_cast<std::size_t>(rows));
    return {.tokens = tokens, .sequences = sequences};
  }
};

inline Crowd random_crowd(Rng& rng) {
  Crowd crowd;
  std::int32_t page = 0;
  const auto count = 1 + rng.below(20);
  while (crowd.tables.size() < count) {
    const int rows = rng.below(3) != 0 ? 1 : 1 + static_cast<int>(rng.below(32));
    const auto position = static_cast<std::int64_t>(rng.below(600));
    const auto pages = static_cast<std::size_t>((position + rows + kPageTokens - 1) / kPageTokens);
    std::vector<std::int32_t> table;
    if (!crowd.tables.empty() && rng.below(4) != 0) {
      const auto& other = crowd.tables[rng.below(crowd.tables.size())];
      const std::size_t most = std::min(other.size(), pages);
      table.assign(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(rng.below(most + 1)));
    }
    while (table.size() < pages) table.push_back(page++);
    crowd.add(table, position, rows);
  }
  return crowd;
}

}  // namespace quire::models
