// Stored element types as distinct C++ types, so that an overloaded load() widens each exactly.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire::kernels {

// Lanes of the virtual vector that every instruction set implements.
inline constexpr int kLanes = 16;

struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};
static_assert(sizeof(Bf16) == 2 && sizeof(F16) == 2);

}  // namespace quire::kernels
