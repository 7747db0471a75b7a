// Reads single weights of a packed matrix. Included inside the row's namespace.
#pragma once

QUIRE_INLINE float float_at(const std::byte* p, DType dtype) {
  if (dtype == DType::kF32) {
    float value;
    std::memcpy(&value, p, sizeof(value));
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return dtype == DType::kBf16 ? bf16_to_f32(bits) : f16_to_f32(bits);
}

// The code of an element of a quantized panel: kInt8 without its offset of 128.
QUIRE_INLINE int code_at(const std::byte* panel, const PackedFormat& format,
                         const WeightPlace& place) {
  const int byte = std::to_integer<int>(panel[place.code]);
  if (format.kind == PackedFormat::Kind::kAffine4) return byte >> place.shift & 15;
  return format.kind == PackedFormat::Kind::kInt8 ? byte - 128 : byte;
}

// w[16 * panel + lane, k] in f32, as the f32 form of the matmul sees it.
inline float weight_at(const PackedMatrix& w, std::int64_t panel_idx, int lane, std::int64_t k) {
  const std::byte* panel = w.data + panel_idx * panel_bytes(w.format, w.cols);
  const WeightPlace place = weight_place(w.format, w.cols, lane, k);
  switch (w.format.kind) {
    case PackedFormat::Kind::kF32:
      return float_at(panel + place.code, DType::kF32);
    case PackedFormat::Kind::kF16:
      return float_at(panel + place.code, DType::kF16);
    case PackedFormat::Kind::kBf16:
      return float_at(panel + place.code, DType::kBf16);
    case PackedFormat::Kind::kInt8:
      return static_cast<float>(code_at(panel, w.format, place)) *
             float_at(panel + place.scale, DType::kF32);
    case PackedFormat::Kind::kAffine4:
    case PackedFormat::Kind::kAffine8:
      return __builtin_fmaf(static_cast<float>(code_at(panel, w.format, place)),
                            float_at(panel + place.scale, w.format.scale_dtype),
                            float_at(panel + place.bias, w.format.scale_dtype));
  }
  CHECK(false, "weights packed as {}", static_cast<int>(w.format.kind));
}

void gather_row(const PackedMatrix& w, std::int64_t row, float* out) {
  DCHECK(0 <= row && row < w.rows, "row {} of {}", row, w.rows);
  for (std::int64_t k = 0; k < w.cols; ++k) {
    out[k] = weight_at(w, row / kPanelRows, static_cast<int>(row % kPanelRows), k);
  }
}
