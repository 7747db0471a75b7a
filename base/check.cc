// Ends the process after a broken invariant, saying which.
#include "base/check.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace quire {

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  fmt::print(stderr, "quire: CHECK failed: {} at {}:{}{}{}\n", condition, file, line,
             message.empty() ? "" : ": ", message);
  std::fflush(stderr);
  std::abort();
}

}  // namespace quire
