// SA_RESETHAND brings the default back after the first signal.
#include "cli/interruption.h"

#include <cstddef>

#include "base/check.h"

namespace quire::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};
std::atomic<bool> g_interrupted{false};
std::atomic<int> g_signal{0};

void note_signal(int number) {
  g_signal.store(number);
  g_interrupted.store(true);
}

std::size_t signal_count(Interruption::Mode mode) {
  return mode == Interruption::Mode::kOnce ? kSignals.size() : 1;
}

}  // namespace

Interruption::Interruption(Mode mode) : mode_(mode) {
  clear();
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = mode == Mode::kOnce ? static_cast<int>(SA_RESETHAND) : 0;
  for (std::size_t i = 0; i < signal_count(mode); ++i) {
    ::sigaction(kSignals[i], &action, &before_[i]);
  }
}

Interruption::~Interruption() {
  for (std::size_t i = 0; i < signal_count(mode_); ++i) {
    ::sigaction(kSignals[i], &before_[i], nullptr);
  }
}

const std::atomic<bool>& Interruption::flag() const { return g_interrupted; }

void Interruption::clear() { g_interrupted.store(false); }

int Interruption::exit_status() const {
  CHECK(g_interrupted.load(), "no signal came");
  return 128 + g_signal.load();
}

}  // namespace quire::cli
