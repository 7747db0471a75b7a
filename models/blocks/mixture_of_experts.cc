// (row, expert) pairs are sorted by expert, so that an expert's weights are read once a batch.
#include "models/blocks/mixture_of_experts.h"

#include <algorithm>
#include <cstring>

#include "models/blocks/router.h"

namespace quire::models {
namespace {

constexpr std::int64_t kPieceRows = 8;

std::vector<Linear> expert_linears(const BlockSite& site, Slot slot, int experts) {
  std::vector<Linear> result;
  for (int expert = 0; expert < experts; ++expert) {
    result.push_back(find_linear(site, slot, expert));
  }
  return result;
}

BlockSite with_rows(BlockSite site, std::int64_t rows) {
  site.rows_max = static_cast<int>(std::min<std::int64_t>(site.rows_max, rows));
  return site;
}

}  // namespace

MixtureBlock::MixtureBlock(const MixtureOfExperts& spec, const BlockSite& site)
    : spec_(spec),
      site_(with_rows(site, kRows)),
      router_(find_linear(site, Slot::kRouter)),
      gate_(expert_linears(site, Slot::kExpertGate, spec.experts)),
      up_(expert_linears(site, Slot::kExpertUp, spec.experts)),
      down_(expert_linears(site, Slot::kExpertDown, spec.experts)) {
  CHECK(spec.active > 0 && spec.active <= spec.experts, "{} active of {} experts", spec.active,
        spec.experts);
  in_.add_reader(router_);
  for (std::size_t expert = 0; expert < gate_.size(); ++expert) {
    pairs_in_.add_reader(gate_[expert]);
    pairs_in_.add_reader(up_[expert]);
    gated_in_.add_reader(down_[expert]);
  }
  if (spec.router.selection_bias) {
    router_bias_ = site.weights.vector(site.layer, Slot::kRouterBias).data();
  }
  if (spec.shared_inner == 0) return;
  shared_.emplace(GatedMlp{.inner = spec.shared_inner, .activation = spec.activation}, site_,
                  GatedMlpBlock::Slots{
                      .gate = Slot::kSharedGate, .up = Slot::kSharedUp, .down = Slot::kSharedDown});
  if (spec.shared_gate) {
    shared_router_ = find_linear(site, Slot::kSharedRouter);
    in_.add_reader(shared_router_);
  }
}

void MixtureBlock::carve(Carver& carver) {
  const std::int64_t rows = site_.rows_max, pairs = rows * spec_.active;
  scores_ = carver.rows(rows, spec_.experts);
  ranks_ = carver.rows(rows, spec_.experts);
  ids_ = carver.take<std::int32_t>(pairs);
  weights_ = carver.take<float>(pairs);
  pair_of_ = carver.take<std::int32_t>(pairs);
  begin_ = carver.take<std::int32_t>(spec_.experts + 1);
  used_ = carver.take<std::int32_t>(spec_.experts);
  used_count_ = carver.take<std::int32_t>(1);
  pairs_ = carver.rows(pairs, site_.hidden);
  gated_ = carver.rows(pairs, spec_.inner);
  upper_ = carver.rows(pairs, spec_.inner);
  sum_ = carver.rows(rows, site_.hidden);
  in_.carve(carver, rows);
  pairs_in_.carve(carver, pairs);
  gated_in_.carve(carver, pairs);
  if (!shared_) return;
  shared_out_ = carver.rows(rows, site_.hidden);
  shared_score_ = carver.rows(rows, 1);
  shared_->carve(carver);
}

void MixtureBlock::forward(const Step& step, const BlockInput& in, const TensorView& y,
                           kernels::Store store) const {
  ShapeScope("mixture_of_experts").bind('D', site_.hidden).check(in.x, "T D").check(y, "T D");
  const std::int64_t rows = in.x.dim(0);
  for (std::int64_t row = 0; row < rows; row += site_.rows_max) {
    const std::int64_t count = std::min<std::int64_t>(site_.rows_max, rows - row);
    const auto piece = [&](const TensorView& of) {
      return TensorView::f32(of.row(row), {count, site_.hidden});
    };
    BlockInput part = {.x = piece(in.x), .norm = in.norm};
    if (in.norm != nullptr) part.normed = piece(in.normed);
    const Batch batch = {.in = part,
                         .x = rows_of(part.read()),
                         .y = {y.row(row), site_.hidden},
                         .rows = count,
                         .store = store};
    route(step, batch);
    sort_pairs(batch);
    run_experts(step, batch);
    run_shared(step, batch);
    combine(step, batch);
  }
}

void MixtureBlock::route(const Step& step, const Batch& batch) const {
  run_linears(step, source_of(in_, batch.in), {{router_, scores_}});
  const auto experts = static_cast<std::size_t>(spec_.experts);
  const auto active = static_cast<std::size_t>(spec_.active);
  run_rows(step.team, batch.rows, kPieceRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t row = begin; row < begin + rows; ++row) {
      choose_experts(spec_.router, step.kernels, router_bias_,
                     {.scores = {scores_.at(row), experts},
                      .ranks = {ranks_.at(row), experts},
                      .ids = {ids_ + row * spec_.active, active},
                      .weights = {weights_ + row * spec_.active, active}});
    }
  });
}

// Counting sort by expert, rows ascending within one.
void MixtureBlock::sort_pairs(const Batch& batch) const {
  const std::int64_t pairs = batch.rows * spec_.active;
  std::fill_n(begin_, spec_.experts + 1, 0);
  for (std::int64_t i = 0; i < pairs; ++i) ++begin_[ids_[i] + 1];
  *used_count_ = 0;
  for (int expert = 0; expert < spec_.experts; ++expert) {
    if (begin_[expert + 1] != 0) used_[(*used_count_)++] = expert;
    begin_[expert + 1] += begin_[expert];
  }
  for (std::int64_t i = 0; i < pairs; ++i) pair_of_[i] = begin_[ids_[i]]++;
  for (int expert = spec_.experts; expert > 0; --expert) begin_[expert] = begin_[expert - 1];
  begin_[0] = 0;
}

// Copies a token's row to its places among the sorted pairs, in the forms that the experts read.
void MixtureBlock::gather_row(const Step& step, const Batch& batch, std::int64_t row) const {
  for (std::int64_t i = row * spec_.active; i < (row + 1) * spec_.active; ++i) {
    std::memcpy(pairs_.at(pair_of_[i]), batch.x.at(row),
                static_cast<std::size_t>(site_.hidden) * sizeof(float));
    pairs_in_.prepare(step.kernels, pairs_, pair_of_[i], 1);
  }
}

// One row block an expert: 512 rows seldom leave one more than fits.
MixtureBlock::ExpertPart MixtureBlock::expert_part(const Split& split, int chunk) const {
  const int expert = used_[chunk / split.chunks()];
  Part part = split.part(chunk % split.chunks());
  part.row = begin_[expert];
  part.rows = begin_[expert + 1] - begin_[expert];
  return {static_cast<std::size_t>(expert), part};
}

void MixtureBlock::run_experts(const Step& step, const Batch& batch) const {
  const kernels::Unary activation = unary_of(spec_.activation);
  const Split inner(1, gate_[0].w->panels(), step.team.threads());
  const auto gather = [&](int row) { gather_row(step, batch, row); };
  const auto run_gated = [&](int chunk) {
    const auto [expert, part] = expert_part(inner, chunk);
    run_gated_part(step,
                   {{gate_[expert], gated_},
                    {up_[expert], upper_},
                    pairs_in_.activations(gate_[expert], pairs_),
                    pairs_in_.activations(up_[expert], pairs_),
                    activation},
                   part);
  };
  step.team.run_phases(
      {{static_cast<int>(batch.rows), gather}, {*used_count_ * inner.chunks(), run_gated}});

  // The inputs are no longer needed: outputs take their place.
  const LinearSource gated = {gated_in_, gated_, batch.rows * spec_.active};
  const SourcePhase prepare(step, gated);
  const Split outer(1, down_[0].w->panels(), step.team.threads());
  const auto run_down = [&](int chunk) {
    const auto [expert, part] = expert_part(outer, chunk);
    run_part(step, {down_[expert], pairs_}, gated.activations(down_[expert]), part);
  };
  step.team.run_phases({{prepare.chunks(), prepare}, {*used_count_ * outer.chunks(), run_down}});
}

void MixtureBlock::run_shared(const Step& step, const Batch& batch) const {
  if (!shared_) return;
  const auto view = [&](Rows rows) {
    return TensorView::f32(rows.data, {batch.rows, site_.hidden});
  };
  shared_->forward(step, {view(batch.x)}, view(shared_out_), kernels::Store::kSet);
  if (spec_.shared_gate) {
    run_linears(step, {in_, batch.x, batch.rows}, {{shared_router_, shared_score_}});
  }
}

void MixtureBlock::combine(const Step& step, const Batch& batch) const {
  const std::int64_t width = site_.hidden;
  run_rows(step.team, batch.rows, kPieceRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t row = begin; row < begin + rows; ++row) {
      const bool is_set = batch.store == kernels::Store::kSet;
      float* sum = is_set ? batch.y.at(row) : sum_.at(row);
      std::fill_n(sum, width, 0.0f);
      for (std::int64_t i = row * spec_.active; i < (row + 1) * spec_.active; ++i) {
        step.kernels.add_scaled(weights_[i], pairs_.at(pair_of_[i]), sum, width);
      }
      if (shared_ && spec_.shared_gate) {
        const float score = kernels::sigmoid_f32(shared_score_.at(row)[0]);
        step.kernels.add_scaled(score, shared_out_.at(row), sum, width);
      } else if (shared_) {
        step.kernels.add(shared_out_.at(row), sum, width);
      }
      if (!is_set) step.kernels.add(sum, batch.y.at(row), width);
    }
  });
}

}  // namespace quire::models
