// All kernel bodies in order, and the function that names them as a row of the table.
// Included inside the row's namespace and target region, after its vector vocabulary and the
// matmul() of the row: tiles, or the plain one.
#pragma once

// Each needs those above it.
// clang-format off
#include "kernels/simd/math.h"
#include "kernels/simd/body_norm.h"
#include "kernels/simd/body_elementwise.h"
#include "kernels/simd/body_prepare.h"
#include "kernels/simd/body_gather.h"
#include "kernels/simd/body_kv_write.h"
#include "kernels/simd/body_attention_tiles.h"
#include "kernels/simd/body_attention_values.h"
#include "kernels/simd/body_attention_weights.h"
#include "kernels/simd/body_attention.h"
#include "kernels/simd/body_attention_shared.h"
#include "kernels/simd/body_recurrent.h"
// clang-format on

constexpr Kernels make_row(Isa isa) {
  return {.isa = isa,
          .prepare = prepare,
          .matmul = matmul,
          .gather_row = gather_row,
          .rms_norm = rms_norm,
          .layer_norm = layer_norm,
          .rope = rope,
          .activate = activate,
          .add = add_rows,
          .add_scaled = add_scaled,
          .multiply = multiply,
          .scale = scale,
          .softcap = softcap,
          .l2_norm = l2_norm,
          .kv_write = kv_write,
          .attention = attention,
          .shared_attention = shared_attention,
          .conv1d = conv1d,
          .gated_delta = gated_delta,
          .ssd = ssd,
          .log_sum = log_sum,
          .argmax = argmax,
          .softmax = softmax,
          .all_finite = all_finite};
}
