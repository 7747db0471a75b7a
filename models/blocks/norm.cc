// Norms of the spec as calls of the norm kernels.
#include "models/blocks/norm.h"

#include <cstring>

namespace quire::models {
namespace {

constexpr std::int64_t kPieceRows = 8;

}  // namespace

BoundNorm bind_norm(const Norm& norm, std::int64_t width, const Weights& weights, int layer,
                    Slot weight) {
  const bool has_weight = norm.kind != Norm::Kind::kNone && norm.has_weight;
  return {.spec = norm,
          .width = width,
          .weight = has_weight ? weights.vector(layer, weight).data() : nullptr};
}

BoundNorm bind_norm(const BoundNorm& norm, const Weights& weights, int layer, Slot bias) {
  BoundNorm bound = norm;
  if (norm.spec.kind != Norm::Kind::kNone && norm.spec.has_bias) {
    bound.bias = weights.vector(layer, bias).data();
  }
  return bound;
}

void apply_norm(const kernels::Kernels& kernels, const BoundNorm& norm, Rows x, Rows y,
                std::int64_t rows) {
  if (norm.spec.kind == Norm::Kind::kNone) {
    if (x.data == y.data) return;
    for (std::int64_t row = 0; row < rows; ++row) {
      std::memcpy(y.at(row), x.at(row), static_cast<std::size_t>(norm.width) * sizeof(float));
    }
    return;
  }
  const kernels::Norm task = {.x = x.data,
                              .x_stride = x.stride,
                              .y = y.data,
                              .y_stride = y.stride,
                              .rows = rows,
                              .width = norm.width,
                              .groups = norm.groups,
                              .weight = norm.weight,
                              .bias = norm.bias,
                              .eps = norm.spec.eps,
                              .weight_offset = norm.spec.weight_offset};
  norm.spec.kind == Norm::Kind::kRms ? kernels.rms_norm(task) : kernels.layer_norm(task);
}

void run_norm_add(const Step& step, const BoundNorm& norm, const TensorView& x,
                  const TensorView& y) {
  ShapeScope("norm_add").bind('T', x.dim(0)).bind('D', norm.width).check(x, "T D").check(y, "T D");
  const Rows from = rows_of(x), to = rows_of(y);
  run_rows(step.team, x.dim(0), kPieceRows, [&](std::int64_t row, std::int64_t rows) {
    const Rows piece = {from.at(row), from.stride};
    apply_norm(step.kernels, norm, piece, piece, rows);
    step.kernels.add(piece.data, to.at(row), rows * norm.width);
  });
}

}  // namespace quire::models
