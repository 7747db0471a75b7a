// Tells a service manager (systemd, Type=notify) how far the server is.
#pragma once

#include <string_view>

namespace quire::server {

// Sends a state such as "READY=1" (sd_notify(3)) to the socket that NOTIFY_SOCKET names. Without
// one, or where nobody listens, nothing happens.
void notify_supervisor(std::string_view state);

}  // namespace quire::server
