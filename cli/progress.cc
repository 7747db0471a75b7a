// The bar is one line that is written again and again; what is left of a longer one is erased.
#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "cli/command.h"

namespace quire::cli {
namespace {

constexpr int kBarCells = 24;
constexpr double kTerminalSeconds = 0.1, kLineSeconds = 10;

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{:.{}f} {}", value, value < 9.95 ? 2 : 1, kUnits[unit]);
}

std::string seconds_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, std::min(seconds, 1e7)));
  return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

Progress::Progress(std::string label, bool is_shown)
    : label_(std::move(label)),
      is_shown_(is_shown),
      is_terminal_(::isatty(STDERR_FILENO) == 1),
      begin_(SteadyClock().now()) {}

Progress::~Progress() { finish(); }

bool Progress::is_due(bool is_last) {
  if (!is_shown_ || finished_) return false;
  const Time now = SteadyClock().now();
  const double since = to_seconds(now - (has_drawn_ ? drawn_at_ : begin_));
  const bool due =
      is_terminal_ ? is_last || !has_drawn_ || since >= kTerminalSeconds : since >= kLineSeconds;
  if (due) {
    drawn_at_ = now;
    has_drawn_ = true;
  }
  return due;
}

void Progress::draw(double share, const std::string& numbers) {
  if (!is_terminal_) {
    write_error(fmt::format("{}: {:.0f}% {}\n", label_, share * 100, numbers));
    return;
  }
  const int full = static_cast<int>(std::lround(share * kBarCells));
  std::string bar;
  for (int i = 0; i < kBarCells; ++i) bar += i < full ? "━" : "─";
  write_error(fmt::format("\r{} {} {:3.0f}% {}\x1b[K", label_, bar, share * 100, numbers));
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  if (!has_first_) {
    has_first_ = true;
    first_done_ = done;
  }
  if (!is_due(done >= total)) return;
  const double seconds = to_seconds(SteadyClock().now() - begin_);
  const double rate =
      static_cast<double>(done - std::min(done, first_done_)) / std::max(seconds, 0.05);
  std::string numbers = bytes_text(done);
  if (total > 0) numbers += fmt::format(" of {}", bytes_text(total));
  if (rate > 0) numbers += fmt::format(", {}/s", bytes_text(static_cast<std::uint64_t>(rate)));
  if (rate > 0 && done < total) {
    numbers += fmt::format(", {} left", seconds_text(static_cast<double>(total - done) / rate));
  }
  draw(total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total), numbers);
}

void Progress::update(double share) {
  const std::lock_guard lock(mutex_);
  if (!is_due(share >= 1)) return;
  const double seconds = to_seconds(SteadyClock().now() - begin_);
  draw(std::clamp(share, 0.0, 1.0), seconds_text(seconds));
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  if (has_drawn_ && is_terminal_) write_error("\r\x1b[K");
}

}  // namespace quire::cli
