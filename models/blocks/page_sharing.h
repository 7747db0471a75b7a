// Which rows of a step read the same pages, so that attention computes with a page once for all of
// them. Results do not depend on it (kernels::SharedAttention).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "models/model.h"

namespace quire::models {

struct RowBlock;

// Attention of one KV group in one step, cut into units: the parallel work of a kv head.
class PageSharing {
 public:
  // Either a block of rows of one sequence, or rows that share pages.
  struct Unit {
    int block = -1;  // of the step; -1: shared
    std::span<const kernels::SharedAttention::Row> rows = {};
    std::span<const kernels::SharedAttention::Piece> pieces = {};
  };
  // Fewer common tokens are not worth it.
  static constexpr std::int64_t kTokensMin = 64;
  // Blocks of more rows share among themselves.
  static constexpr int kBlockRowsMax = 8;

  // heads_per_kv: the most of any layer of the group.
  PageSharing(const KvGroup& group, int heads_per_kv, int rows_max);

  // Cuts a step; `index` is the group's. Units for `threads` threads. No allocation.
  void find(const StepInput& input, std::span<const RowBlock> blocks, std::size_t index,
            int threads);
  std::span<const Unit> units() const { return units_; }

 private:
  // One row that may share; `common` tokens lie in the same pages as those of the row before it.
  struct Candidate {
    int block = 0;
    std::int64_t row = 0, position = 0;
    std::span<const std::int32_t> table;
    std::int64_t common = 0;
  };

  std::int64_t common_tokens(const Candidate& a, const Candidate& b) const;
  void list_candidates(const StepInput& input, std::span<const RowBlock> blocks, std::size_t index);
  std::size_t unit_rows(int threads) const;
  void add_shared(std::size_t begin, std::size_t end);
  void cut_pieces(std::size_t unit, std::size_t begin, std::size_t end, std::int64_t from);

  const std::int64_t page_tokens_;
  const int kv_heads_;
  const int rows_max_;  // of a unit; 1: nothing is shared
  std::vector<Candidate> candidates_;
  std::vector<char> in_shared_;  // [block]
  std::vector<Unit> units_;
  std::vector<kernels::SharedAttention::Row> rows_;
  std::vector<kernels::SharedAttention::Piece> pieces_;
};

}  // namespace quire::models
