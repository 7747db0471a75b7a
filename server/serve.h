// The server as a program: from settings to an exit status.
#pragma once

#include "server/settings.h"

namespace quire::server {

// Exit statuses of the program.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitSignal = 128;  // plus the signal's number: a second signal cut work off

// Serves until a signal. The ready line is the only thing on standard output.
int run_serve(const Settings& settings);

}  // namespace quire::server
