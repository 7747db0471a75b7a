// getrandom(2) never blocks once the system is up.
#include "server/ids.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cstdint>

#include "base/check.h"

namespace quire::server {

std::string random_id() {
  std::uint64_t words[2] = {};
  const ssize_t count = ::getrandom(words, sizeof(words), 0);
  CHECK(count == static_cast<ssize_t>(sizeof(words)), "getrandom gave {} bytes", count);
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

}  // namespace quire::server
