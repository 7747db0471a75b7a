// Ids from the operating system's randomness.
#include "server/ids.h"

#include <fmt/format.h>

#include "base/entropy.h"

namespace quire::server {

std::string random_id() { return fmt::format("{:016x}{:016x}", entropy(), entropy()); }

}  // namespace quire::server
