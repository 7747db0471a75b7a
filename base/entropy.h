// The one source of true randomness: seeds of requests that name none, and ids.
#pragma once

#include <cstdint>

namespace quire {

// 64 bits from the operating system. Thread-safe. Everything else is a function of its inputs.
std::uint64_t entropy();

}  // namespace quire
