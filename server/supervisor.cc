// One datagram to a Unix socket: a path, or "@name" in the abstract namespace.
#include "server/supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace quire::server {

void notify_supervisor(std::string_view state) {
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || (name[0] != '/' && name[0] != '@')) return;
  const std::string_view path(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  if (::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, to, length) < 0) {
    log(LogLevel::kWarning, "NOTIFY_SOCKET {}: {}", path, std::strerror(errno));
  }
  ::close(fd);
}

}  // namespace quire::server
