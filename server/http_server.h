// Listens, accepts, and spreads connections over a few I/O threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "server/http_exchange.h"
#include "server/http_types.h"
#include "server/tls.h"

namespace quire::server {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 8000;                             // 0: the system picks one
  std::string socket_path;                     // of a Unix socket, instead of host and port
  std::shared_ptr<const TlsContext> tls = {};  // null: unencrypted
  int io_threads = 2;
  int worker_threads = 2;
  std::size_t connections_max = 4096;
  HttpLimits limits;
  HttpTimeouts timeouts;
};

// Construct, listen, ..., stop. The handler and whatever posts to exchanges may be destroyed after
// stop(); the server itself goes last.
class HttpServer {
 public:
  HttpServer(const HttpServerOptions& options, RequestHandler& handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds, starts the threads and accepts. kIo when the address cannot be had.
  Status listen();
  // The bound port (0 with a Unix socket), and "http://HOST:PORT" or "unix:PATH".
  int port() const;
  std::string url() const;

  // Runs `task` on a thread that may take its time (parsing, rendering, tokenizing).
  void run_on_worker(std::function<void()> task);

  // Refuses new connections; answers from now on close theirs.
  void begin_drain();
  std::size_t connections() const;
  // Requests that are being answered or whose answers are not fully sent.
  std::size_t busy_connections() const;
  // Closes everything and joins the threads. Idempotent.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire::server
