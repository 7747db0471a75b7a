// The scalar row: the specification of the order of every sum, and the scalar functions.
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

namespace quire::kernels {
namespace scalar {
// clang-format off
#include "kernels/simd/vec_scalar.h"
#include "kernels/simd/matmul_plain.h"
#include "kernels/simd/dot_scalar.h"
#include "kernels/simd/bodies.h"
// clang-format on
}  // namespace scalar

const Kernels& scalar_row() {
  static constexpr Kernels row = scalar::make_row(Isa::kScalar);
  return row;
}

float exp_f32(float x) { return scalar::exp_v(scalar::splat<scalar::VecN<1>>(x)).l[0]; }
float log_f32(float x) { return scalar::log_v(scalar::splat<scalar::VecN<1>>(x)).l[0]; }
float sigmoid_f32(float x) { return scalar::sigmoid_v(scalar::splat<scalar::VecN<1>>(x)).l[0]; }
float softplus_f32(float x) { return scalar::softplus_v(scalar::splat<scalar::VecN<1>>(x)).l[0]; }

}  // namespace quire::kernels
