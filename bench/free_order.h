// The kernels whose sums take another order than the contract's, for bench/order_price.py.
#pragma once

#include "kernels/kernels.h"

namespace quire::kernels {

struct FreeOrder {
  void (*matmul)(const Matmul&) = nullptr;
  void (*attention)(const Attention&, float* scratch) = nullptr;
  std::int64_t (*scratch_floats)(const KvLayout&) = nullptr;
};
#if defined(__x86_64__)
FreeOrder free_order_avx2();
FreeOrder free_order_avx512();
#endif

}  // namespace quire::kernels
