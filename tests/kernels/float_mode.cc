// Puts the thread that runs the tests into the float mode that kernels require.
#include "base/float_mode.h"

namespace quire {
namespace {

const FlushDenormals kFlushed;  // of the main thread, on which GoogleTest runs every test

}  // namespace
}  // namespace quire
