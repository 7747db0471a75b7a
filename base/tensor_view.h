// A non-owning row-major view of a tensor, and the check that binds shape letters to sizes.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/check.h"
#include "base/dtype.h"

namespace quire {

// Row-major, last index fastest, no gaps. Owns nothing. At most four dimensions.
class TensorView {
 public:
  static constexpr int kRankMax = 4;

  TensorView() = default;
  TensorView(void* data, DType dtype, std::initializer_list<std::int64_t> shape);
  static TensorView f32(float* data, std::initializer_list<std::int64_t> shape) {
    return TensorView(data, DType::kF32, shape);
  }

  int rank() const { return rank_; }
  std::int64_t dim(int i) const { return shape_[static_cast<std::size_t>(i)]; }
  std::int64_t elements() const;
  DType dtype() const { return dtype_; }
  bool empty() const { return data_ == nullptr; }

  float* f32_data() const {
    CHECK(dtype_ == DType::kF32, "view of {}", dtype_name(dtype_));
    return static_cast<float*>(data_);
  }
  // First element of row i, all but the last dimension flattened.
  float* row(std::int64_t i) const { return f32_data() + i * shape_[rank_ - 1]; }

 private:
  void* data_ = nullptr;
  DType dtype_ = DType::kF32;
  int rank_ = 0;
  std::array<std::int64_t, kRankMax> shape_ = {};
};

// Executes shape comments. Letters are those of docs/shapes.md; each must keep one size within
// the scope. "T H*E" checks a [T, H*E] tensor; digits stand for themselves.
//   ShapeScope("rms_norm").check(x, "T D").check(w, "D");
class ShapeScope {
 public:
  explicit ShapeScope(std::string_view op) : op_(op) {}
  ShapeScope& bind(char letter, std::int64_t size);
  ShapeScope& check(const TensorView& view, std::string_view shape);

 private:
  std::int64_t* size_of(char letter);

  std::string_view op_;
  std::array<std::int64_t, 52> sizes_ = {};  // 0: not bound yet
};

}  // namespace quire
