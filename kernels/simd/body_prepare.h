// Activations in the forms that the packed weights want. Included inside the row's namespace.
#pragma once

inline void prepare_bf16_row(const float* x, std::int64_t cols, std::byte* row) {
  auto* out = reinterpret_cast<Bf16*>(row);
  std::int64_t k = 0;
  for (; k + kLanes <= cols; k += kLanes) store(out + k, load(x + k));
  if (const int n = static_cast<int>(cols - k); n > 0) store_n(out + k, load_n(x + k, n), n);
  if (cols % 2 != 0) out[cols] = Bf16{0};
}

// The largest |x|; NaN where an element is NaN or infinite.
inline float magnitude(const float* x, std::int64_t count) {
  const VecI sign_off = splat_bits<Vec>(0x7fffffffu);
  VecI most = splat_bits<Vec>(0);
  std::int64_t k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    most = max_bits(most, bit_and(bits_of(load(x + k)), sign_off));
  }
  if (const int n = static_cast<int>(count - k); n > 0) {
    most = max_bits(most, bit_and(bits_of(load_n(x + k, n)), sign_off));
  }
  const std::uint32_t bits = reduce_max_bits(most);
  return bits < 0x7f800000u ? __builtin_bit_cast(float, bits) : __builtin_nanf("");
}

// Codes of one group; returns their sum.
inline std::int32_t encode(const float* x, std::int64_t count, float inverse, std::int8_t* codes) {
  const Vec factor = splat<Vec>(inverse);
  VecI sum = splat_bits<Vec>(0);
  std::int64_t k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    const VecI code = rounded(mul(load(x + k), factor));
    store_bytes(codes + k, code);
    sum = add(sum, code);
  }
  if (const int n = static_cast<int>(count - k); n > 0) {
    const VecI code = rounded(mul(load_n(x + k, n), factor));
    alignas(16) std::int8_t part[kLanes];
    store_bytes(part, code);
    std::memcpy(codes + k, part, static_cast<std::size_t>(n));
    sum = add(sum, code);
  }
  return reduce_add_bits(sum);
}

inline void prepare_int8_row(const Prepare& p, const float* x, std::byte* row) {
  const std::int64_t groups = group_count(p.form, p.cols);
  auto* codes = reinterpret_cast<std::int8_t*>(row);
  auto* scale = reinterpret_cast<float*>(row + int8_codes_bytes(p.cols));
  float* scaled_sum = scale + groups;
  auto* sum = reinterpret_cast<std::int32_t*>(scaled_sum + groups);
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t begin = g * p.form.group;
    const std::int64_t count = p.cols - begin < p.form.group ? p.cols - begin : p.form.group;
    const float largest = magnitude(x + begin, count);
    scale[g] = largest / 127.0f;
    sum[g] = 0;
    if (scale[g] > 0.0f) {  // neither zero nor NaN
      sum[g] = encode(x + begin, count, 127.0f / largest, codes + begin);
    } else {
      std::memset(codes + begin, 0, static_cast<std::size_t>(count));
    }
    scaled_sum[g] = scale[g] * static_cast<float>(sum[g]);
  }
  std::memset(codes + p.cols, 0, static_cast<std::size_t>(int8_codes_bytes(p.cols) - p.cols));
}

void prepare(const Prepare& p) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    const float* x = p.x + r * p.x_stride;
    std::byte* row = p.out + r * p.out_stride_bytes;
    switch (p.form.kind) {
      case ActivationForm::Kind::kBf16:
        prepare_bf16_row(x, p.cols, row);
        break;
      case ActivationForm::Kind::kInt8:
        prepare_int8_row(p, x, row);
        break;
      case ActivationForm::Kind::kF32:
        CHECK(false, "activations in f32 are not prepared");
    }
  }
}
