// getrandom(2).
#include "base/entropy.h"

#include <sys/random.h>

#include "base/check.h"

namespace quire {

std::uint64_t entropy() {
  std::uint64_t bits = 0;
  // 8 bytes of the urandom source are never short once the system has booted.
  CHECK(getrandom(&bits, sizeof bits, 0) == sizeof bits, "getrandom failed");
  return bits;
}

}  // namespace quire
