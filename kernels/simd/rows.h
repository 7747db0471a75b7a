// The rows of the kernel table, one per instruction set; table.cc picks among them.
#pragma once

#include "kernels/kernels.h"

namespace quire::kernels {

const Kernels& scalar_row();
#if defined(__x86_64__)
const Kernels& avx2_row();
const Kernels& avx512_row();
#endif

}  // namespace quire::kernels
