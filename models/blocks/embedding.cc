// A tied head is the embedding's matrix: rows are gathered from its panels.
#include "models/blocks/embedding.h"

namespace quire::models {
namespace {

constexpr std::int64_t kPieceRows = 16;

}  // namespace

EmbeddingBlock::EmbeddingBlock(const DecoderSpec& spec, const Weights& weights)
    : table_(&weights.matrix(-1, Slot::kEmbed)), scale_(spec.embed_scale) {}

void EmbeddingBlock::forward(const Step& step, const TensorView& x) const {
  ShapeScope("embedding").bind('T', step.rows()).bind('D', table_->cols).check(x, "T D");
  run_rows(step.team, step.rows(), kPieceRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t row = begin; row < begin + rows; ++row) {
      const std::int32_t token = step.input.tokens[static_cast<std::size_t>(row)];
      step.kernels.gather_row(*table_, token, x.row(row));
    }
    if (scale_ != 1) step.kernels.scale(scale_, x.row(begin), rows * table_->cols);
  });
}

HeadBlock::HeadBlock(const DecoderSpec& spec, const Weights& weights)
    : norm_(bind_norm(bind_norm(spec.final_norm, spec.hidden, weights, -1, Slot::kFinalNorm),
                      weights, -1, Slot::kFinalNormBias)),
      head_(find_linear(weights, -1, spec.tied_head ? Slot::kEmbed : Slot::kHead)),
      logit_scale_(spec.logit_scale),
      softcap_(spec.logit_softcap) {}

void HeadBlock::forward(const Step& step, const TensorView& x, const TensorView& scratch,
                        const TensorView& logits) const {
  const std::span<const int> wanted = step.input.logit_rows;
  const auto count = static_cast<std::int64_t>(wanted.size());
  if (count == 0) return;
  ShapeScope("head")
      .bind('D', norm_.width)
      .bind('R', count)
      .bind('V', head_.w->rows)
      .check(x, "T D")
      .check(scratch, "T D")
      .check(logits, "R V");
  const Rows normed = rows_of(scratch), out = rows_of(logits);
  normed_rows(step, x, wanted, normed);
  const LinearTask task = {head_, normed, out};
  const Split split(count, head_.w->panels(), step.team.threads());
  step.team.run(split.chunks(), [&](int chunk) {
    const Part part = split.part(chunk);
    run_part(step.kernels, task, part);
    finish_part(step.kernels, out, part);
  });
}

void HeadBlock::normed_rows(const Step& step, const TensorView& x, std::span<const int> wanted,
                            Rows out) const {
  const auto count = static_cast<std::int64_t>(wanted.size());
  run_rows(step.team, count, kPieceRows, [&](std::int64_t begin, std::int64_t rows) {
    for (std::int64_t i = begin; i < begin + rows; ++i) {
      const std::int64_t row = wanted[static_cast<std::size_t>(i)];
      apply_norm(step.kernels, norm_, {x.row(row), norm_.width}, {out.at(i), norm_.width}, 1);
    }
  });
}

void HeadBlock::finish_part(const kernels::Kernels& kernels, Rows logits, const Part& part) const {
  if (logit_scale_ == 1 && softcap_ == 0) return;
  const std::int64_t columns = part.columns(head_.w->rows);
  for (std::int64_t row = part.row; row < part.row + part.rows; ++row) {
    float* y = logits.at(row) + part.column();
    if (logit_scale_ != 1) kernels.scale(logit_scale_, y, columns);
    if (softcap_ != 0) kernels.softcap(softcap_, y, columns);
  }
}

}  // namespace quire::models
