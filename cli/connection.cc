// Non-blocking throughout; every wait is a poll in slices, so that a cancellation is seen soon.
#include "cli/connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace quire::cli {
namespace {

constexpr int kSliceMs = 50;

struct AddressList {
  addrinfo* first = nullptr;
  ~AddressList() {
    if (first != nullptr) ::freeaddrinfo(first);
  }
};

std::string tls_reason() {
  const unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return reason == nullptr ? "the connection was cut off" : reason;
}

}  // namespace

tl::unexpected<Error> Connection::io_error(std::string_view what) const {
  return fail(ErrorCode::kIo, "{}:{}: {}", endpoint_.host, endpoint_.port, what);
}

Connection::~Connection() {
  if (ssl_ != nullptr) ::SSL_free(ssl_);
  if (context_ != nullptr) ::SSL_CTX_free(context_);
  if (fd_ >= 0) ::close(fd_);
}

Result<std::unique_ptr<Connection>> Connection::open(const Endpoint& endpoint) {
  std::unique_ptr<Connection> connection(new Connection(endpoint));
  QUIRE_TRY(connection->connect());
  if (endpoint.is_secure) QUIRE_TRY(connection->start_tls());
  return connection;
}

Status Connection::wait(int events) const {
  const Time end = SteadyClock().now() + from_seconds(endpoint_.silence_s);
  while (true) {
    if (endpoint_.cancelled != nullptr && endpoint_.cancelled->load()) {
      return fail(ErrorCode::kCancelled, "cancelled");
    }
    pollfd entry{fd_, static_cast<short>(events), 0};
    const int ready = ::poll(&entry, 1, kSliceMs);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return io_error(std::strerror(errno));
    if (SteadyClock().now() >= end) {
      return io_error(fmt::format("silent for {} s", endpoint_.silence_s));
    }
  }
}

Status Connection::connect() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  AddressList addresses;
  const int found =
      ::getaddrinfo(endpoint_.host.c_str(), endpoint_.port.c_str(), &hints, &addresses.first);
  if (found != 0) return io_error(::gai_strerror(found));
  std::string reason = "no address";
  for (const addrinfo* at = addresses.first; at != nullptr; at = at->ai_next) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) continue;
    if (::connect(fd_, at->ai_addr, at->ai_addrlen) != 0) {
      if (errno != EINPROGRESS) {
        reason = std::strerror(errno);
        continue;
      }
      if (const Status ready = wait(POLLOUT); !ready) {
        if (ready.error().code == ErrorCode::kCancelled) return ready;
        reason = "no answer";
        continue;
      }
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        reason = std::strerror(error);
        continue;
      }
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return {};
  }
  return io_error(reason);
}

Status Connection::start_tls() {
  context_ = ::SSL_CTX_new(::TLS_client_method());
  if (context_ == nullptr) return io_error(tls_reason());
  ::SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  ::SSL_CTX_set_default_verify_paths(context_);
  ::SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  ssl_ = ::SSL_new(context_);
  if (ssl_ == nullptr || ::SSL_set1_host(ssl_, endpoint_.host.c_str()) != 1 ||
      ::SSL_set_tlsext_host_name(ssl_, endpoint_.host.c_str()) != 1 ||
      ::SSL_set_fd(ssl_, fd_) != 1) {
    return io_error(tls_reason());
  }
  int done = 0;
  while ((done = ::SSL_connect(ssl_)) != 1) {
    const long verified = ::SSL_get_verify_result(ssl_);
    if (verified != X509_V_OK) {
      ::ERR_clear_error();
      return io_error(
          fmt::format("the certificate: {}", ::X509_verify_cert_error_string(verified)));
    }
    QUIRE_TRY(wait_for_tls(done));
  }
  return {};
}

Status Connection::wait_for_tls(int returned) {
  switch (::SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT);
    default:
      return io_error(tls_reason());
  }
}

Status Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (ssl_ != nullptr) {
      std::size_t count = 0;
      const int done = ::SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count);
      if (done == 1) {
        bytes.remove_prefix(count);
      } else {
        QUIRE_TRY(wait_for_tls(done));
      }
      continue;
    }
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      QUIRE_TRY(wait(POLLOUT));
    } else if (errno != EINTR) {
      return io_error(std::strerror(errno));
    }
  }
  return {};
}

Result<std::size_t> Connection::read(std::span<char> into) {
  while (true) {
    if (ssl_ != nullptr) {
      std::size_t count = 0;
      const int done = ::SSL_read_ex(ssl_, into.data(), into.size(), &count);
      if (done == 1) return count;
      if (::SSL_get_error(ssl_, done) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      QUIRE_TRY(wait_for_tls(done));
      continue;
    }
    const ssize_t count = ::recv(fd_, into.data(), into.size(), 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      QUIRE_TRY(wait(POLLIN));
    } else if (errno != EINTR) {
      return io_error(std::strerror(errno));
    }
  }
}

}  // namespace quire::cli
