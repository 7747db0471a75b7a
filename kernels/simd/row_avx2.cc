// The row for AVX2, FMA and F16C: same source, same bits as the scalar row.
#if defined(__x86_64__)
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

QUIRE_TARGET_BEGIN("avx2,fma,f16c")
namespace quire::kernels::avx2 {
// clang-format off
#include "kernels/simd/vec_avx2.h"
#include "kernels/simd/body_matmul_tile.h"
#include "kernels/simd/tiles_avx2.h"
#include "kernels/simd/body_matmul_float.h"
#include "kernels/simd/body_matmul_int8.h"
#include "kernels/simd/body_matmul.h"
#include "kernels/simd/dot_avx2.h"
#include "kernels/simd/bodies.h"
// clang-format on
}  // namespace quire::kernels::avx2
QUIRE_TARGET_END

namespace quire::kernels {

const Kernels& avx2_row() {
  static constexpr Kernels row = avx2::make_row(Isa::kAvx2);
  return row;
}

}  // namespace quire::kernels
#endif
