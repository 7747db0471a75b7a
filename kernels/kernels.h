// The table of kernels: one row per instruction set, chosen once. All rows give the same bits.
//
// The order of every sum is part of the contract, so that no result depends on the batch, on the
// split over threads or on the instruction set:
//  - "sequential": acc = fma(a[k], b[k], acc) for ascending k, from 0.
//  - "lanes": element i goes to lane i % 16 by fma or add in ascending order (missing elements are
//    not added); the 16 lanes reduce by the tree l[i] += l[i + 8], += 4, += 2, += 1.
// Transcendental functions are our own polynomials (kernels/simd/math.h), the same on every row.
// Kernels run with denormals flushed (base/float_mode.h): the caller's thread is in that mode.
// NaN propagates everywhere, but which payload survives is not promised.
// Row pointers need no alignment; PackedMatrix data has 64 bytes. Outputs may alias inputs only
// where said.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "kernels/activations.h"
#include "kernels/packed_matrix.h"
#include "kernels/paged_kv.h"
#include "kernels/read_ahead.h"

namespace quire::kernels {

// kAvx2: AVX2, FMA and F16C. kAvx512: F, BW, DQ, VL, VNNI and BF16; machines with an older AVX-512
// take the avx2 row.
enum class Isa { kScalar, kAvx2, kAvx512 };
std::string_view isa_name(Isa isa);
// "scalar", "avx2", "avx512"; another word is refused with the known ones.
Result<Isa> parse_isa(std::string_view name);
bool isa_supported(Isa isa);
Isa best_isa();

enum class Store { kSet, kAdd };

// Writes rows of f32 in another form (kernels/activations.h); form kF32 is not prepared.
struct Prepare {
  ActivationForm form;
  const float* x = nullptr;  // [rows, cols]
  std::int64_t x_stride = 0;
  std::int64_t rows = 0, cols = 0;
  std::byte* out = nullptr;  // 64-byte aligned
  std::int64_t out_stride_bytes = 0;
};

// y[t, n] = (sum over k of x[t, k] * w[n, k]) + bias[n], for the panels [panel_begin, panel_end)
// of w; kAdd adds that to what y holds. The same order for every T. The sum depends on x's form:
//  - f32: sequential; a quantized weight is widened first, fma(code, scale, bias), kInt8
//    (code - 128) * scale.
//  - bf16, weights bf16: for ascending pairs (k, k + 1), k even:
//    acc = fma(x[k], w[k], fma(x[k + 1], w[k + 1], acc)), denormals flushed: AVX-512's own order.
//  - int8, weights affine: for ascending groups, dot exact in integers:
//    acc = fma(float(dot(codes)), w_scale * x_scale, acc); acc = fma(w_bias, x_scaled_sum, acc).
//  - int8, weights kInt8: acc = fma(float(dot(codes - 128)), x_scale, acc) for ascending groups;
//    the sum is acc * w_scale.
// REQUIRES: x.form is form_for() of the weights' format, or f32; FlushDenormals in force.
struct Matmul {
  Activations x;          // [T, K]
  std::int64_t rows = 0;  // T
  const PackedMatrix* w = nullptr;
  const float* bias = nullptr;  // [N] or null
  float* y = nullptr;           // [T, N]
  std::int64_t y_stride = 0;
  std::int64_t panel_begin = 0, panel_end = 0;
  Store store = Store::kSet;
  ReadAhead* read_ahead = nullptr;  // what int8 products of many rows call for; may be null
};

// y = norm(x) per group of width / groups elements; the sum of squares (and of elements) in lanes.
// RMS: y = x * (1 / sqrt(mean(x^2) + eps)) * (weight + weight_offset).
// Layer: the mean is subtracted first, bias added last. weight and bias may be null (1 and 0);
// REQUIRES: weight_offset 0 where weight is null.
// y may be x.
struct Norm {
  const float* x = nullptr;  // [rows, width]
  std::int64_t x_stride = 0;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  std::int64_t rows = 0, width = 0, groups = 1;
  const float* weight = nullptr;  // [width]
  const float* bias = nullptr;    // [width]
  float eps = 0, weight_offset = 0;
};

// Rotates, in place, the first 2 * pairs elements of each of `heads` heads of one row.
// Half-split pairs (i, i + pairs), interleaved pairs (2i, 2i + 1):
// a' = fma(-b, sin, a * cos), b' = fma(a, sin, b * cos).
struct Rope {
  float* x = nullptr;  // [heads, head_stride]
  std::int64_t heads = 0, head_stride = 0;
  std::int64_t pairs = 0;
  bool interleaved = false;
  const float* cos = nullptr;  // [pairs], the amplitude multiplied in
  const float* sin = nullptr;
};

enum class Unary { kSilu, kGeluTanh, kGeluErf, kRelu, kRelu2, kSigmoid, kSoftplus, kExp, kTanh };

// out[i] = f(x[i]); with `times`, out[i] = f(x[i]) * times[i]. out may be x or times.
struct Activate {
  Unary function = Unary::kSilu;
  const float* x = nullptr;
  const float* times = nullptr;
  float* out = nullptr;
  std::int64_t count = 0;
};

// Writes k [rows, K, E_k] and v [rows, K, E_v] (null with value_dim 0) as the tokens at
// position, position + 1, ... rounding to the layout's dtype (nearest even). i8: for each token and
// head, scale = max|x| / 127, code = round(x * (127 / max|x|)); both 0 when the maximum is below
// 2^-100; scale NaN and codes 0 when some x is not finite.
struct KvWrite {
  PagedKv kv;
  const float* k = nullptr;
  std::int64_t k_stride = 0;  // floats from row to row
  const float* v = nullptr;
  std::int64_t v_stride = 0;
  std::int64_t rows = 0, position = 0;
};

// Causal attention of rows of one sequence over its pages, for one kv head and its group of query
// heads. Row r at position p = position + r sees keys j with first_key(p) <= j <= p.
// Fixed order, for each query (row and head) by itself. REQUIRES: FlushDenormals is alive on the
// calling thread (without it the rows of the table may differ, in bf16 most of all).
//  Query:   f32 as it is; bf16 rounded; i8 codes with scale as kv_write makes them.
//  Dot:     over d ascending, from 0.  f32: acc = fma(q[d], k[d], acc).  bf16, pairs of d:
//           acc = fma(q[d], k[d], fma(q[d + 1], k[d + 1], acc)).  i8: exact integer.
//  Score:   dot * scale; i8: float(dot) * (key_scale * (q_scale * scale)); then the cap.
//  Segment: absolute multiples of kSegment tokens. m = exact maximum of the scores;
//           w[j] = exp(score - m), 0 where that is below exp(-86); bf16: rounded to bf16.
//           Its denominator is the lane sum of w by j % 16.
//  Values:  over j ascending, as the dot: f32 fma(w[j], v[j], acc), bf16 in pairs of even j, odd
//           first.  i8: in groups at absolute multiples of kCodeGroup tokens, u = w * value_scale,
//           c = round(u * (255 / max u)) in 0..255, sums of c * code exact.
//  Merge:   segments ascending, M = max(M_old, m), keep = exp(M_old - M), gain = exp(m - M):
//           total = fma(acc, gain, total * keep); sum = fma(segment sum, gain, sum * keep).
//           i8: group by group with gain = max u / 255 * exp(m - M), keep in the first group only;
//           a group whose maximum is below 2^-100 adds nothing.
//  Result:  a sink merges last into the sum; out = fma(total, keep / sum, +0).
// Keys that are not visible leave no trace (they may hold NaN), and blocks of sixteen tokens that
// hold no key visible to some row are not read.
struct Attention {
  static constexpr std::int64_t kSegment = 256;
  static constexpr std::int64_t kCodeGroup = 64;
  PagedKv kv;
  const float* q = nullptr;  // row r, query head h at q + r * q_stride + h * E_k
  std::int64_t q_stride = 0;
  float* out = nullptr;  // row r, query head h at out + r * out_stride + h * value_read_dim
  std::int64_t out_stride = 0;
  std::int64_t rows = 0, position = 0;
  int kv_head = 0;
  int heads_per_kv = 1;  // query heads kv_head * heads_per_kv ... of q and out
  float scale = 1;
  float softcap = 0;             // 0: none; else s = softcap * tanh(s / softcap)
  std::int64_t window = 0;       // 0: whole context; else first_key = p - window + 1
  std::int64_t chunk = 0;        // 0: none; else first_key = p / chunk * chunk
  const float* sinks = nullptr;  // [H] extra logits of the denominator, or null
  float* scratch = nullptr;      // attention_scratch() floats, one per calling thread
};
std::int64_t attention_scratch(const Attention& task);

// Attention of single rows whose contexts begin in the same pages: each page is computed with once
// for all rows that hold it. The bits are those of attention() for each row by itself.
struct SharedAttention {
  static constexpr int kQueriesMax = 64;  // rows * heads_per_kv
  struct Row {
    std::int64_t index = 0;  // of its q and out, in strides
    std::int64_t position = 0;
    const std::int32_t* table = nullptr;  // of all its pages
  };
  // Tokens [begin, end) lie in the same pages for the rows [row, row + rows).
  struct Piece {
    int row = 0, rows = 0;
    std::int64_t begin = 0, end = 0;
  };
  // What the rows have in common; its table, rows and position are not read.
  // REQUIRES: window 0, chunk 0.
  Attention common;
  std::span<const Row> rows;
  // The pieces of a row cover [0, position + 1) in ascending order. The last one is the row's own;
  // the others end at multiples of 16.
  std::span<const Piece> pieces;
};

// Depthwise causal convolution over time with carried history, then silu if asked.
// y[t, c] = bias[c] + sequential over taps i of w[i, c] * in[t - taps + 1 + i, c]; inputs before
// the first row come from `history` [taps - 1, C] (oldest first), which is advanced. y may be x.
struct Conv1d {
  const float* x = nullptr;
  std::int64_t x_stride = 0;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  std::int64_t rows = 0, channels = 0, taps = 0;
  const float* weight = nullptr;  // [taps, channels]
  const float* bias = nullptr;    // [channels] or null
  float* history = nullptr;
  std::int64_t history_stride = 0;  // floats from one tap to the next
  bool silu = false;
};

// Gated delta rule for one value head, token by token in this order at every chunk size:
// S *= decay; u = beta * (v - S k); S = fma(u, k^T, S); o = S q. S is [V, K] row-major, dot
// products over K in lanes. q and k are normalised and scaled by the caller.
struct GatedDelta {
  const float* q = nullptr;  // [rows, key_dim]
  const float* k = nullptr;
  std::int64_t qk_stride = 0;
  const float* v = nullptr;  // [rows, value_dim]
  std::int64_t v_stride = 0;
  const float* decay = nullptr;  // [rows], in (0, 1]
  const float* beta = nullptr;   // [rows]
  std::int64_t gate_stride = 0;
  float* out = nullptr;  // [rows, value_dim]
  std::int64_t out_stride = 0;
  float* state = nullptr;  // [value_dim, key_dim]
  std::int64_t rows = 0, key_dim = 0, value_dim = 0;
};

// Mamba-2 scan for one head, token by token: S = fma(dt * x, B^T, decay * S); y = fma(d, x, S C).
// S is [P, N] row-major, dot products over N in lanes.
struct Ssd {
  const float* x = nullptr;  // [rows, P]
  std::int64_t x_stride = 0;
  const float* b = nullptr;  // [rows, N]
  const float* c = nullptr;
  std::int64_t bc_stride = 0;
  const float* decay = nullptr;  // [rows]: exp(A * dt)
  const float* dt = nullptr;     // [rows]
  std::int64_t dt_stride = 0;
  float d = 0;
  float* y = nullptr;  // [rows, P]
  std::int64_t y_stride = 0;
  float* state = nullptr;  // [P, N]
  std::int64_t rows = 0, head_dim = 0, state_dim = 0;
};

// The normaliser of a logits row: max (exact) and ln of the lane sum of exp(x - max).
struct LogSum {
  float max = 0;
  float log_sum = 0;
  float logprob(float logit) const { return (logit - max) - log_sum; }
};

struct Kernels {
  Isa isa;
  void (*prepare)(const Prepare&);
  void (*matmul)(const Matmul&);
  // out[k] = w[row, k] as f32.
  void (*gather_row)(const PackedMatrix& w, std::int64_t row, float* out);
  void (*rms_norm)(const Norm&);
  void (*layer_norm)(const Norm&);
  void (*rope)(const Rope&);
  void (*activate)(const Activate&);
  void (*add)(const float* x, float* y, std::int64_t count);                  // y += x
  void (*add_scaled)(float a, const float* x, float* y, std::int64_t count);  // y = fma(a, x, y)
  void (*multiply)(const float* x, float* y, std::int64_t count);             // y *= x
  void (*scale)(float a, float* y, std::int64_t count);                       // y *= a
  void (*softcap)(float cap, float* y, std::int64_t count);  // y = cap * tanh(y / cap)
  // Each row of [rows, width] divided by sqrt(sum of squares + eps), then times `scale`.
  void (*l2_norm)(float* x, std::int64_t rows, std::int64_t width, float eps, float scale);
  void (*kv_write)(const KvWrite&);
  void (*attention)(const Attention&);
  void (*shared_attention)(const SharedAttention&);
  void (*conv1d)(const Conv1d&);
  void (*gated_delta)(const GatedDelta&);
  void (*ssd)(const Ssd&);
  LogSum (*log_sum)(const float* logits, std::int64_t count);
  // Index of the largest element, the lowest index among equals; NaN never wins.
  std::int64_t (*argmax)(const float* x, std::int64_t count);
  // In place: x = exp(x - max) / sum, sum in lanes.
  void (*softmax)(float* x, std::int64_t count);
  // True when every element is finite.
  bool (*all_finite)(const float* x, std::int64_t count);
};

// The row of one instruction set. REQUIRES: isa_supported(isa).
const Kernels& kernels(Isa isa);

// Scalar forms of the vector functions, the same bits, for small host-side code (routers, gates).
float exp_f32(float x);
float log_f32(float x);
float sigmoid_f32(float x);
float softplus_f32(float x);

}  // namespace quire::kernels
