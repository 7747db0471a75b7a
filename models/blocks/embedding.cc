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

HeadBlock::HeadBlock(const DecoderSpec& spec, const BlockSite& site)
    : site_(site),
      norm_(bind_norm(bind_norm(spec.final_norm, spec.hidden, site.weights, -1, Slot::kFinalNorm),
                      site.weights, -1, Slot::kFinalNormBias)),
      head_(find_linear(site, spec.tied_head ? Slot::kEmbed : Slot::kHead)),
      in_({head_}),
      logit_scale_(spec.logit_scale),
      softcap_(spec.logit_softcap) {}

void HeadBlock::carve(Carver& carver) { in_.carve(carver, site_.rows_max); }

void HeadBlock::forward(const Step& step, const TensorView& x, const TensorView& scratch,
                        const TensorView& logits) const {
  ShapeScope("head")
      .bind('D', norm_.width)
      .bind('V', head_.w->rows)
      .check(x, "R D")
      .check(scratch, "R D")
      .check(logits, "R V");
  const Rows out = rows_of(logits);
  const LinearSource source = source_of(in_, {.x = x, .norm = &norm_, .normed = scratch});
  const SourcePhase prepare(step, source);
  const Split split(source.rows, head_.w->panels(), step.team.threads());
  const auto multiply = [&](int chunk) {
    const Part part = split.part(chunk);
    run_part(step, {head_, out}, source.activations(head_), part);
    finish_part(step.kernels, out, part);
  };
  step.team.run_phases({{prepare.chunks(), prepare}, {split.chunks(), multiply}});
}

void HeadBlock::norm_rows(const Step& step, Rows x, Rows out, std::int64_t count) const {
  run_rows(step.team, count, kPieceRows, [&](std::int64_t begin, std::int64_t rows) {
    apply_norm(step.kernels, norm_, {x.at(begin), x.stride}, {out.at(begin), out.stride}, rows);
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
