// Mixture of experts over the whole step, grouped by expert, with optional shared expert.
#pragma once

#include <optional>
#include <vector>

#include "models/blocks/gated_mlp.h"
#include "models/blocks/linear.h"

namespace quire::models {

class MixtureBlock {
 public:
  MixtureBlock(const MixtureOfExperts& spec, const BlockSite& site);
  void carve(Carver& carver);
  // y (set or add) mixture of its input; y [T, D]. A token's experts are added in ascending order,
  // from zero, the shared expert last.
  void forward(const Step& step, const BlockInput& in, const TensorView& y,
               kernels::Store store) const;

 private:
  // The rows [row, row + rows) of the step, rows <= kRows.
  struct Batch {
    BlockInput in;
    Rows x;  // what the experts read: of `in`, normed by route()
    Rows y;
    std::int64_t rows = 0;
    kernels::Store store = kernels::Store::kSet;
  };
  static constexpr std::int64_t kRows = 512;  // bounds the scratch; weights are read once a batch

  void route(const Step& step, const Batch& batch) const;
  void sort_pairs(const Batch& batch) const;
  struct ExpertPart {
    std::size_t expert = 0;
    Part part;  // rows are sorted pairs
  };
  ExpertPart expert_part(const Split& split, int chunk) const;
  void gather_row(const Step& step, const Batch& batch, std::int64_t row) const;
  void run_experts(const Step& step, const Batch& batch) const;
  void run_shared(const Step& step, const Batch& batch) const;
  void combine(const Step& step, const Batch& batch) const;

  MixtureOfExperts spec_;
  BlockSite site_;
  Linear router_, shared_router_;
  const float* router_bias_ = nullptr;
  std::vector<Linear> gate_, up_, down_;  // [X]
  LinearInputs in_, pairs_in_, gated_in_;
  std::optional<GatedMlpBlock> shared_;

  Rows scores_, ranks_;    // [rows, X]
  std::int32_t* ids_;      // [rows, A]
  float* weights_;         // [rows, A]
  std::int32_t* pair_of_;  // [rows, A]: where the (row, expert) pair lies among the sorted pairs
  std::int32_t* begin_;    // [X + 1]: sorted pairs of expert e are [begin_[e], begin_[e + 1])
  std::int32_t* used_;     // [X]: the experts that have pairs, ascending
  std::int32_t* used_count_;
  Rows pairs_;          // [rows * A, D]: inputs, later outputs
  Rows gated_, upper_;  // [rows * A, F]
  Rows shared_out_;     // [rows, D]
  Rows shared_score_;   // [rows, 1]
  Rows sum_;            // [rows, D]
};

}  // namespace quire::models
