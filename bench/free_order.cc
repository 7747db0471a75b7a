// quire with the kernels of free_order_body.h: the linker gives every caller of kernels::kernels()
// the function here instead (bench/CMakeLists.txt). Not a product: it breaks the promise of equal
// bytes, and shows what that promise costs.
#include "bench/free_order.h"

#include <vector>

#include "base/check.h"

namespace quire::kernels {
namespace {

#if defined(__x86_64__)
FreeOrder chosen;

void free_attention(const Attention& task) {
  static thread_local std::vector<float> scratch;
  const auto floats = static_cast<std::size_t>(chosen.scratch_floats(task.kv.layout));
  if (scratch.size() < floats) scratch.resize(floats);
  chosen.attention(task, scratch.data());
}

Kernels free_row(const Kernels& row) {
  CHECK(row.isa != Isa::kScalar, "the scalar kernels have no other order");
  chosen = row.isa == Isa::kAvx512 ? free_order_avx512() : free_order_avx2();
  Kernels free = row;
  free.matmul = chosen.matmul;
  free.attention = free_attention;
  return free;
}
#else
Kernels free_row(const Kernels& row) { return row; }
#endif

}  // namespace
}  // namespace quire::kernels

extern "C" {
// The mangled name of quire::kernels::kernels(Isa), as the linker's --wrap wants it.
// NOLINTBEGIN(bugprone-reserved-identifier)
const quire::kernels::Kernels& __real__ZN5quire7kernels7kernelsENS0_3IsaE(quire::kernels::Isa isa);
const quire::kernels::Kernels& __wrap__ZN5quire7kernels7kernelsENS0_3IsaE(quire::kernels::Isa isa) {
  static const quire::kernels::Kernels row =
      quire::kernels::free_row(__real__ZN5quire7kernels7kernelsENS0_3IsaE(isa));
  return row;
}
// NOLINTEND(bugprone-reserved-identifier)
}
