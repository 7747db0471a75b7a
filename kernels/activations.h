// The left side of a matmul in the form that its weights want: f32 as it is, bf16, or int8 codes
// with a scale for each row and group.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire::kernels {

struct ActivationForm {
  enum class Kind { kF32, kBf16, kInt8 };
  Kind kind = Kind::kF32;
  int group = 0;  // kInt8: elements along K that share a scale; else 0
  bool operator==(const ActivationForm&) const = default;
};

// Rows of activations; owns nothing. One row is
//   kF32:  f32 [K]
//   kBf16: bf16 [K rounded up to 2], zero behind K
//   kInt8: s8 [K rounded up to 64], zero behind K; then for each of the ceil(K / group) groups:
//          f32 scale[g]; f32 scaled_sum[g] = scale * sum of the codes; s32 sum[g].
// int8: a = code * scale, scale = max|x| / 127 over the group, code = x * (127 / max|x|) rounded to
// nearest even (0 where the scale is 0 or NaN). A group with NaN or infinity has a NaN scale.
struct Activations {
  ActivationForm form;
  const std::byte* data = nullptr;
  std::int64_t stride_bytes = 0;

  const std::byte* row(std::int64_t r) const { return data + r * stride_bytes; }
};

constexpr std::int64_t group_count(const ActivationForm& form, std::int64_t cols) {
  return form.group == 0 ? 0 : (cols + form.group - 1) / form.group;
}
// Where the scales of an int8 row begin.
constexpr std::int64_t int8_codes_bytes(std::int64_t cols) { return (cols + 63) / 64 * 64; }
// Bytes of one row, a multiple of 64.
constexpr std::int64_t activation_row_bytes(const ActivationForm& form, std::int64_t cols) {
  std::int64_t bytes = cols * 4;
  if (form.kind == ActivationForm::Kind::kBf16) bytes = (cols + 1) / 2 * 4;
  if (form.kind == ActivationForm::Kind::kInt8) {
    bytes = int8_codes_bytes(cols) + 12 * group_count(form, cols);
  }
  return (bytes + 63) / 64 * 64;
}

}  // namespace quire::kernels
