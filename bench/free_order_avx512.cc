// The kernels of free_order_body.h for AVX-512.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/dtype.h"
#include "bench/free_order.h"
#include "kernels/attention_scratch.h"
#include "kernels/kernels.h"
#include "kernels/packed_layout.h"
#include "kernels/simd/elements.h"
#include "kernels/simd/target.h"

QUIRE_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")
namespace quire::kernels::free_avx512 {
// clang-format off
#include "kernels/simd/vec_avx512.h"
#include "kernels/simd/body_matmul_tile.h"
#include "kernels/simd/tiles_avx512.h"
#include "kernels/simd/body_matmul_float.h"
#include "kernels/simd/body_matmul_int8.h"
#include "kernels/simd/body_matmul.h"
#include "kernels/simd/dot_avx512.h"
#include "kernels/simd/math.h"
#include "kernels/simd/body_norm.h"
#include "kernels/simd/body_elementwise.h"
#include "kernels/simd/body_prepare.h"
#include "kernels/simd/body_gather.h"
#include "kernels/simd/body_kv_write.h"
#include "bench/free_order_body.h"
// clang-format on
}  // namespace quire::kernels::free_avx512
QUIRE_TARGET_END

namespace quire::kernels {

FreeOrder free_order_avx512() {
  return {free_avx512::free_matmul, free_avx512::whole::run, free_avx512::whole::scratch_floats};
}

}  // namespace quire::kernels
#endif
