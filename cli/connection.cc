// Non-blocking throughout; every wait is a poll in slices, so that a cancellation is seen soon.
#include "cli/connection.h"

#include <arpa/inet.h>
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
#include "cli/proxy.h"

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

// RFC 6066: no address is a server name.
bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
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
  if (endpoint.is_secure && endpoint.proxy != nullptr) QUIRE_TRY(connection->open_tunnel());
  if (endpoint.is_secure) QUIRE_TRY(connection->start_tls());
  connection->endpoint_.proxy = nullptr;
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
  const Proxy* proxy = endpoint_.proxy;
  const std::string& host = proxy != nullptr ? proxy->host : endpoint_.host;
  const std::string& port = proxy != nullptr ? proxy->port : endpoint_.port;
  const auto failed = [&](std::string_view why) {
    return io_error(proxy == nullptr ? std::string(why)
                                     : fmt::format("the proxy {}: {}", proxy->name(), why));
  };
  const int found = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &addresses.first);
  if (found != 0) return failed(::gai_strerror(found));
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
  return failed(reason);
}

Status Connection::open_tunnel() {
  constexpr std::size_t kHeadMax = 64 << 10;
  const Proxy& proxy = *endpoint_.proxy;
  const bool is_v6 = endpoint_.host.find(':') != std::string::npos;
  const std::string target =
      fmt::format("{}{}{}:{}", is_v6 ? "[" : "", endpoint_.host, is_v6 ? "]" : "", endpoint_.port);
  std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target);
  if (!proxy.authorization.empty()) {
    request += fmt::format("Proxy-Authorization: {}\r\n", proxy.authorization);
  }
  QUIRE_TRY(write(request + "\r\n"));
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char c = 0;  // one by one: what follows the head belongs to the tunnel
    QUIRE_ASSIGN(const std::size_t count, read({&c, 1}));
    if (count == 0 || head.size() > kHeadMax) {
      return io_error(fmt::format("the proxy {} gave no answer to CONNECT", proxy.name()));
    }
    head += c;
  }
  const std::string line = head.substr(0, head.find('\r'));
  const std::size_t blank = line.find(' ');
  const std::string status = blank == std::string::npos ? "" : line.substr(blank + 1, 3);
  if (status == "407") {
    return io_error(
        fmt::format("the proxy {} wants a user and a password: put them into the "
                    "variable, as in https_proxy=http://USER:PASSWORD@{}",
                    proxy.name(), proxy.name()));
  }
  if (!status.starts_with('2')) {
    return io_error(fmt::format("the proxy {} refused the connection: {}", proxy.name(), line));
  }
  return {};
}

Error Connection::certificate_error(long verified) const {
  std::string advice;
  switch (verified) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      advice =
          ": if you trust its authority, name that with --ca-file FILE or SSL_CERT_FILE; "
          "without any, install ca-certificates";
      break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      advice = ": check this machine's clock, else the server's owner must renew it";
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      advice = ": it is for another name: check the URL";
      break;
    default:
      break;
  }
  return io_error(fmt::format("the certificate: {}{}", ::X509_verify_cert_error_string(verified),
                              advice))
      .value();
}

Status Connection::start_tls() {
  context_ = ::SSL_CTX_new(::TLS_client_method());
  if (context_ == nullptr) return io_error(tls_reason());
  ::SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  if (endpoint_.ca_file.empty()) {
    ::SSL_CTX_set_default_verify_paths(context_);
  } else if (::SSL_CTX_load_verify_locations(context_, endpoint_.ca_file.c_str(), nullptr) != 1) {
    return fail(ErrorCode::kInvalid, "--ca-file {}: {}: it must be a file of PEM certificates",
                endpoint_.ca_file, tls_reason());
  }
  ::SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  ssl_ = ::SSL_new(context_);
  if (ssl_ == nullptr || ::SSL_set1_host(ssl_, endpoint_.host.c_str()) != 1 ||
      (!is_address(endpoint_.host) &&
       ::SSL_set_tlsext_host_name(ssl_, endpoint_.host.c_str()) != 1) ||
      ::SSL_set_fd(ssl_, fd_) != 1) {
    return io_error(tls_reason());
  }
  int done = 0;
  while ((done = ::SSL_connect(ssl_)) != 1) {
    const long verified = ::SSL_get_verify_result(ssl_);
    if (verified != X509_V_OK) {
      ::ERR_clear_error();
      return tl::unexpected<Error>(certificate_error(verified));
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
