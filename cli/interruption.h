// Ctrl-C and SIGTERM as a flag, for work that ends in good order.
#pragma once

#include <signal.h>

#include <array>
#include <atomic>

namespace quire::cli {

// One lives at a time; the signals' former actions come back with its end.
class Interruption {
 public:
  enum class Mode {
    kOnce,      // the first of SIGINT and SIGTERM sets the flag, a second one ends the process
    kRepeated,  // each SIGINT sets the flag; SIGTERM is left alone
  };
  explicit Interruption(Mode mode = Mode::kOnce);
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  const std::atomic<bool>& flag() const;
  void clear();
  // 128 plus the last signal's number, as shells say it. REQUIRES: the flag is set.
  int exit_status() const;

 private:
  const Mode mode_;
  std::array<struct sigaction, 2> before_{};
};

}  // namespace quire::cli
