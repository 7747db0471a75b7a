// Packed matrices of every format with their known contents, and activations of every form.
#pragma once

#include <cstring>
#include <memory>

#include "tests/kernels/support.h"

namespace quire::kernels {

// 64-byte aligned memory, zeroed.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t bytes) : storage_(bytes + 64) {}
  std::byte* data() {
    void* p = storage_.data();
    std::size_t space = storage_.size();
    return static_cast<std::byte*>(std::align(64, storage_.size() - 64, p, space));
  }

 private:
  std::vector<std::byte> storage_;
};

inline std::string name_of(const PackedFormat& f) {
  std::string name = format_name(f.kind);
  if (f.is_quantized()) name += fmt::format(" g{} {}", f.group, dtype_name(f.scale_dtype));
  return name;
}

inline std::vector<std::byte> stored(const std::vector<float>& values, DType dtype) {
  const auto bytes = static_cast<std::size_t>(dtype_bytes(dtype));
  std::vector<std::byte> out(values.size() * bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits = std::bit_cast<std::uint32_t>(values[i]);
    if (dtype == DType::kBf16) bits = f32_to_bf16(values[i]);
    if (dtype == DType::kF16) bits = f32_to_f16(values[i]);
    std::memcpy(out.data() + i * bytes, &bits, bytes);
  }
  return out;
}
inline float rounded_to(float value, DType dtype) {
  if (dtype == DType::kBf16) return bf16_to_f32(f32_to_bf16(value));
  return dtype == DType::kF16 ? f16_to_f32(f32_to_f16(value)) : value;
}

// What a packed matrix holds. Float formats: `values` alone. Quantized: weight (n, k) is made of
// codes[n * K + k] (kInt8: less its 128) and the scale (and bias) of its row and group.
struct Weights {
  PackedFormat format;
  std::int64_t rows = 0, cols = 0;
  std::vector<float> values;
  std::vector<int> codes;
  std::vector<float> scales, biases;  // [N, groups]; kInt8: one scale a row
  AlignedBytes storage{0};
  PackedMatrix view;

  std::size_t groups() const {
    if (format.kind == PackedFormat::Kind::kInt8) return 1;
    return static_cast<std::size_t>(cols / format.group);
  }
  int code(std::int64_t n, std::int64_t k) const {
    return codes[static_cast<std::size_t>(n * cols + k)];
  }
  std::size_t group_idx(std::int64_t n, std::int64_t k) const {
    const std::int64_t within =
        format.kind == PackedFormat::Kind::kInt8 ? 0 : k / std::int64_t{format.group};
    return static_cast<std::size_t>(n) * groups() + static_cast<std::size_t>(within);
  }
  // As the f32 form sees it.
  float at(std::int64_t n, std::int64_t k) const {
    if (!format.is_quantized()) return values[static_cast<std::size_t>(n * cols + k)];
    const auto c = static_cast<float>(code(n, k));
    if (format.kind == PackedFormat::Kind::kInt8) return c * scales[group_idx(n, k)];
    return std::fma(c, scales[group_idx(n, k)], biases[group_idx(n, k)]);
  }
};

namespace detail {

// The sentences of PackedFormat's comment, written out once more.
inline std::vector<std::byte> affine_bytes(const Weights& w) {
  const auto group = static_cast<std::int64_t>(w.format.group);
  const bool nibbles = w.format.kind == PackedFormat::Kind::kAffine4;
  std::vector<std::byte> out;
  for (std::int64_t panel = 0; panel < (w.rows + 15) / 16; ++panel) {
    const auto code = [&](std::int64_t lane, std::int64_t k) {
      const std::int64_t n = panel * 16 + lane;
      return n < w.rows ? w.code(n, k) : 0;
    };
    for (std::int64_t g = 0; g < w.cols / group; ++g) {
      const std::int64_t begin = g * group;
      for (std::int64_t j = 0; j < group / (nibbles ? 8 : 4); ++j) {
        for (std::int64_t lane = 0; lane < 16; ++lane) {
          for (std::int64_t i = 0; i < 4; ++i) {
            int byte = code(lane, begin + 4 * j + i);
            if (nibbles) byte |= code(lane, begin + 4 * (j + group / 8) + i) << 4;
            out.push_back(static_cast<std::byte>(byte));
          }
        }
      }
      for (const auto* of : {&w.scales, &w.biases}) {
        std::vector<float> sixteen(16, 0.0f);
        for (std::int64_t lane = 0; lane < 16 && panel * 16 + lane < w.rows; ++lane) {
          sixteen[static_cast<std::size_t>(lane)] = (*of)[w.group_idx(panel * 16 + lane, begin)];
        }
        const auto bytes = stored(sixteen, w.format.scale_dtype);
        out.insert(out.end(), bytes.begin(), bytes.end());
      }
    }
  }
  return out;
}

inline void make_quantized(Weights& w, Rng& rng) {
  const int top = w.format.kind == PackedFormat::Kind::kAffine4 ? 16 : 256;
  const bool int8 = w.format.kind == PackedFormat::Kind::kInt8;
  for (std::int64_t i = 0; i < w.rows * w.cols; ++i) {
    // The ends of the range oftener than chance would have them.
    int c = static_cast<int>(rng.below(static_cast<std::uint64_t>(top)));
    if (rng.below(4) == 0) c = rng.below(2) == 0 ? 0 : top - 1;
    w.codes.push_back(int8 ? std::max(c, 1) - 128 : c);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(w.rows) * w.groups(); ++i) {
    const auto dtype = int8 ? DType::kF32 : w.format.scale_dtype;
    w.scales.push_back(rounded_to(normal(rng, 0.01), dtype));
    w.biases.push_back(rounded_to(normal(rng, 0.05), dtype));
  }
  if (int8) {
    w.biases.clear();
    // An element of the largest code in each row makes pack_rows() find the scale and the codes.
    for (std::int64_t n = 0; n < w.rows; ++n) {
      w.codes[static_cast<std::size_t>(n * w.cols)] = 127;
      w.scales[static_cast<std::size_t>(n)] =
          rounded_to(std::fabs(w.scales[static_cast<std::size_t>(n)]) + 0.001f, DType::kBf16);
    }
  }
}

}  // namespace detail

// Random contents; `odd` takes odd_floats() for the float formats.
inline Weights make_weights(const PackedFormat& format, std::int64_t rows, std::int64_t cols,
                            Rng& rng, bool odd = false) {
  using Kind = PackedFormat::Kind;
  Weights w;
  w.format = format;
  w.rows = rows, w.cols = cols;
  const std::size_t bytes = packed_bytes(format, rows, cols);
  w.storage = AlignedBytes(bytes);
  w.view = {w.storage.data(), format, rows, cols};
  if (format.kind == Kind::kAffine4 || format.kind == Kind::kAffine8) {
    detail::make_quantized(w, rng);
    const auto packed = detail::affine_bytes(w);
    EXPECT_LE(packed.size(), bytes);
    EXPECT_EQ(packed.size(), static_cast<std::size_t>(w.view.panels() * panel_bytes(format, cols)));
    std::copy(packed.begin(), packed.end(), w.storage.data());
    return w;
  }
  DType dtype = DType::kF32;
  if (format.kind == Kind::kInt8) {
    detail::make_quantized(w, rng);
    // code * scale is exact in f32: both have few bits, and so has scale = 127 * scale / 127.
    for (std::int64_t i = 0; i < rows * cols; ++i)
      w.values.push_back(static_cast<float>(w.codes[static_cast<std::size_t>(i)]) *
                         w.scales[static_cast<std::size_t>(i / cols)]);
  } else {
    dtype = format.kind == Kind::kF32 ? DType::kF32
                                      : (format.kind == Kind::kF16 ? DType::kF16 : DType::kBf16);
    w.values = odd ? odd_floats(rng, rows * cols) : normals(rng, rows * cols);
    for (float& v : w.values) v = rounded_to(v, dtype);
  }
  const auto source = stored(w.values, dtype);
  pack_rows({source.data(), dtype, rows, cols, cols, 1}, 0, rows, format, w.storage.data());
  return w;
}

// Every format, in groups that divide cols.
inline std::vector<PackedFormat> formats_for(std::int64_t cols) {
  using Kind = PackedFormat::Kind;
  std::vector<PackedFormat> all = {PackedFormat::of(DType::kF32), PackedFormat::of(DType::kF16),
                                   PackedFormat::of(DType::kBf16), PackedFormat::int8()};
  for (const int group : {8, 16, 24, 32, 64, 128, 256}) {
    if (cols % group != 0) continue;
    for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
      all.push_back({Kind::kAffine4, group, dtype});
      all.push_back({Kind::kAffine8, group, dtype});
    }
  }
  return all;
}

// Rows of activations in some form, with the f32 that they came from.
class Prepared {
 public:
  Prepared(const ActivationForm& form, const std::vector<float>& x, std::int64_t rows,
           std::int64_t cols, const Kernels& row)
      : stride_(activation_row_bytes(form, cols) + 64),
        bytes_(static_cast<std::size_t>(rows * stride_)) {
    view_ = {form, bytes_.data(), stride_};
    // Whatever prepare() leaves alone must not matter.
    std::memset(bytes_.data(), 0x5a, static_cast<std::size_t>(rows * stride_));
    if (form.kind == ActivationForm::Kind::kF32) {
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(bytes_.data() + r * stride_, x.data() + r * cols,
                    static_cast<std::size_t>(cols) * 4);
      return;
    }
    row.prepare({.form = form,
                 .x = x.data(),
                 .x_stride = cols,
                 .rows = rows,
                 .cols = cols,
                 .out = bytes_.data(),
                 .out_stride_bytes = stride_});
  }
  const Activations& view() const { return view_; }

 private:
  std::int64_t stride_;
  AlignedBytes bytes_;
  Activations view_;
};

}  // namespace quire::kernels
