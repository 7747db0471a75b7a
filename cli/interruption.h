// Ctrl-C and SIGTERM as a flag, for work that ends in good order.
#pragma once

#include <signal.h>

#include <array>
#include <atomic>

namespace quire::cli {

// While one lives, the first signal sets the flag; a second one ends the process. One at a time.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  const std::atomic<bool>& flag() const;

 private:
  std::array<struct sigaction, 2> before_{};
};

}  // namespace quire::cli
