// Chooses the row of kernels for an instruction set.
#include "base/check.h"
#include "kernels/attention_scratch.h"
#include "kernels/kernels.h"
#include "kernels/simd/rows.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace quire::kernels {
namespace {

#if defined(__x86_64__)
// Compilers do not agree on whether __builtin_cpu_supports knows the word "f16c".
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  CHECK(false, "instruction set {}", static_cast<int>(isa));
}

Result<Isa> parse_isa(std::string_view name) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (name == isa_name(isa)) return isa;
  }
  return fail(ErrorCode::kInvalid, "unknown instruction set '{}'; known: scalar, avx2, avx512",
              name);
}

bool isa_supported(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return has_avx2();
    case Isa::kAvx512:
      return has_avx512();
  }
  CHECK(false, "instruction set {}", static_cast<int>(isa));
}

Isa best_isa() {
  if (has_avx512()) return Isa::kAvx512;
  return has_avx2() ? Isa::kAvx2 : Isa::kScalar;
}

const Kernels& kernels(Isa isa) {
  CHECK(isa_supported(isa), "instruction set {} on a machine without it", isa_name(isa));
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512_row();
  if (isa == Isa::kAvx2) return avx2_row();
#endif
  return scalar_row();
}

std::int64_t attention_scratch(const Attention& task) {
  return AttentionScratch(task.kv.layout).floats();
}

}  // namespace quire::kernels
