// Shape checks: "T H*E" against the sizes bound so far.
#include "base/tensor_view.h"

namespace quire {

TensorView::TensorView(void* data, DType dtype, std::initializer_list<std::int64_t> shape)
    : data_(data), dtype_(dtype), rank_(static_cast<int>(shape.size())) {
  CHECK(rank_ <= kRankMax, "rank {} exceeds {}", rank_, kRankMax);
  int i = 0;
  for (const std::int64_t size : shape) shape_[i++] = size;
}

std::int64_t TensorView::elements() const {
  std::int64_t count = 1;
  for (int i = 0; i < rank_; ++i) count *= shape_[i];
  return count;
}

std::int64_t* ShapeScope::size_of(char letter) {
  if (letter >= 'A' && letter <= 'Z') return &sizes_[letter - 'A'];
  if (letter >= 'a' && letter <= 'z') return &sizes_[26 + letter - 'a'];
  return nullptr;
}

ShapeScope& ShapeScope::bind(char letter, std::int64_t size) {
  std::int64_t* bound = size_of(letter);
  CHECK(bound != nullptr, "{}: '{}' is no shape letter", op_, letter);
  CHECK(*bound == 0 || *bound == size, "{}: {} is {} and {}", op_, letter, *bound, size);
  *bound = size;
  return *this;
}

ShapeScope& ShapeScope::check(const TensorView& view, std::string_view shape) {
  int dim = 0;
  std::size_t at = 0;
  while (at < shape.size()) {
    if (shape[at] == ' ') {
      ++at;
      continue;
    }
    CHECK(dim < view.rank(), "{}: \"{}\" has more dimensions than the view's {}", op_, shape,
          view.rank());
    const std::int64_t actual = view.dim(dim++);
    std::int64_t expected = 1;
    std::int64_t* unbound = nullptr;
    for (; at < shape.size() && shape[at] != ' '; ++at) {
      const char c = shape[at];
      if (c == '*') continue;
      if (c >= '0' && c <= '9') {
        std::int64_t number = 0;
        for (; at < shape.size() && shape[at] >= '0' && shape[at] <= '9'; ++at) {
          number = number * 10 + (shape[at] - '0');
        }
        --at;
        expected *= number;
        continue;
      }
      std::int64_t* bound = size_of(c);
      CHECK(bound != nullptr, "{}: '{}' in \"{}\" is no shape letter", op_, c, shape);
      if (*bound == 0 && unbound == nullptr) {
        unbound = bound;
      } else {
        expected *= *bound;
      }
    }
    if (unbound != nullptr) {
      CHECK(expected != 0 && actual % expected == 0, "{}: \"{}\" dimension {} is {}", op_, shape,
            dim - 1, actual);
      *unbound = actual / expected;
    } else {
      CHECK(expected == actual, "{}: \"{}\" dimension {} is {}, expected {}", op_, shape, dim - 1,
            actual, expected);
    }
  }
  CHECK(dim == view.rank(), "{}: \"{}\" has {} dimensions, the view {}", op_, shape, dim,
        view.rank());
  return *this;
}

}  // namespace quire
