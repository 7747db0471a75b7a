// A socket with or without TLS that waits with a limit and can be told to give up.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

struct ssl_ctx_st;
struct ssl_st;

namespace quire::cli {

struct Proxy;

struct Endpoint {
  std::string host, port;
  bool is_secure = false;
  std::string ca_file = {};      // PEM; empty: the system's authorities
  const Proxy* proxy = nullptr;  // null: none; a secure endpoint is reached by CONNECT
  double silence_s = 30;
  const std::atomic<bool>* cancelled = nullptr;  // may be null
};

class Connection {
 public:
  // Every error is kIo and names host and port, or kCancelled. Certificates are checked against
  // ca_file or the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR name others). The proxy
  // needs to live for this call only.
  static Result<std::unique_ptr<Connection>> open(const Endpoint& endpoint);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Status write(std::string_view bytes);
  // 0 at the end.
  Result<std::size_t> read(std::span<char> into);

 private:
  explicit Connection(const Endpoint& endpoint) : endpoint_(endpoint) {}
  Status connect();
  Status open_tunnel();
  Status start_tls();
  Error certificate_error(long verified) const;
  Status wait(int events) const;
  // After an SSL call that returned `returned`: waits for what it wants, or says what went wrong.
  Status wait_for_tls(int returned);
  tl::unexpected<Error> io_error(std::string_view what) const;

  Endpoint endpoint_;
  int fd_ = -1;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* ssl_ = nullptr;
};

}  // namespace quire::cli
