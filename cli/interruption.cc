// SA_RESETHAND brings the default back after the first signal.
#include "cli/interruption.h"

namespace quire::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};
std::atomic<bool> g_interrupted{false};

}  // namespace

Interruption::Interruption() {
  g_interrupted.store(false);
  struct sigaction action {};
  action.sa_handler = [](int) { g_interrupted.store(true); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &action, &before_[i]);
  }
}

Interruption::~Interruption() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
}

const std::atomic<bool>& Interruption::flag() const { return g_interrupted; }

}  // namespace quire::cli
