// How far a long job is: a bar on a terminal, a line now and then elsewhere. On standard error.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace quire::cli {

// "12.3 MB", "4.5 GB" in powers of 1,000.
std::string bytes_text(std::uint64_t bytes);
// "3:07", "1:02:03".
std::string seconds_text(double seconds);

// Thread-safe. Draws at most ten times a second on a terminal, every ten seconds elsewhere.
class Progress {
 public:
  // `is_shown`: false for a bar that says nothing at all.
  Progress(std::string label, bool is_shown);
  // Ends the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // total 0: unknown.
  void update(std::uint64_t done, std::uint64_t total);
  // A share from 0 to 1, of a job that is not measured in bytes.
  void update(double share);
  void finish();

 private:
  void draw(double share, const std::string& numbers);
  bool is_due(bool is_last);

  const std::string label_;
  const bool is_shown_, is_terminal_;
  std::mutex mutex_;
  const Time begin_;
  Time drawn_at_ = {};
  std::uint64_t first_done_ = 0;
  bool has_first_ = false, has_drawn_ = false, finished_ = false;
};

}  // namespace quire::cli
