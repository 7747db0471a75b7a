// What each kernel should compute, in double, with a bound of the error that f32 may make.
//
// The bounds are the usual first-order ones: a sum of n terms in f32 in any order, fused or not, is
// within n u sum|terms| of the exact value, u = 2^-24; each further operation adds u of its result.
// The constants in front cover the few roundings around each sum. Slow and obvious; for tests.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace quire::kernels::ref {

inline constexpr double kUnit = 0x1p-24;

struct Estimate {
  std::vector<double> value;
  std::vector<double> slack;  // |computed - value| is at most this, element by element
};

// Element (n, k) of a packed matrix, widened exactly: code times scale, and bias. The two may be
// large and nearly cancel, so bounds take them apart.
struct Weight {
  double scaled = 0, bias = 0;
};
Weight weight_parts(const PackedMatrix& w, std::int64_t n, std::int64_t k);
double weight_at(const PackedMatrix& w, std::int64_t n, std::int64_t k);
// Element k of a row of activations of width `cols`, exactly.
double activation_at(const Activations& x, std::int64_t cols, std::int64_t row, std::int64_t k);

// [T, N], the value that y gets (with kAdd: y is read).
Estimate matmul(const Matmul& task);
enum class Centered { kNo, kYes };
// [rows, width].
Estimate norm(const Norm& task, Centered centered);
// [rows, heads_per_kv, value_read_dim].
Estimate attention(const Attention& task);
// [rows, channels]; the history is read, not advanced.
Estimate conv1d(const Conv1d& task);
// [rows, value_dim]; the state is read, not advanced.
Estimate gated_delta(const GatedDelta& task);
// [rows, head_dim]; the state is read, not advanced.
Estimate ssd(const Ssd& task);
Estimate softmax(const float* x, std::int64_t count);
// max + ln of the sum of exp(x - max), one element.
Estimate log_sum(const float* x, std::int64_t count);

}  // namespace quire::kernels::ref
