// The row for AVX-512 (F, BW, DQ, VL, VNNI, BF16): same source, same bits as the scalar row.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the "undefined" operands inside its own AVX-512 intrinsics for our mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/dtype.h"
#include "kernels/attention_scratch.h"
#include "kernels/kernels.h"
#include "kernels/packed_layout.h"
#include "kernels/simd/elements.h"
#include "kernels/simd/rows.h"
#include "kernels/simd/target.h"

QUIRE_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")
namespace quire::kernels::avx512 {
// clang-format off
#include "kernels/simd/vec_avx512.h"
#include "kernels/simd/body_matmul_tile.h"
#include "kernels/simd/tiles_avx512.h"
#include "kernels/simd/body_matmul_float.h"
#include "kernels/simd/body_matmul_int8.h"
#include "kernels/simd/body_matmul.h"
#include "kernels/simd/dot_avx512.h"
#include "kernels/simd/bodies.h"
// clang-format on
}  // namespace quire::kernels::avx512
QUIRE_TARGET_END

namespace quire::kernels {

const Kernels& avx512_row() {
  static constexpr Kernels row = avx512::make_row(Isa::kAvx512);
  return row;
}

}  // namespace quire::kernels
#endif
