// One io_context for each I/O thread, so that a connection needs no locks.
#include "server/http_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstring>
#include <filesystem>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/log.h"
#include "server/http_connection.h"

namespace quire::server {
namespace net = boost::asio;
using Tcp = net::ip::tcp;
using Local = net::local::stream_protocol;
using Acceptor = net::basic_socket_acceptor<net::generic::stream_protocol>;
namespace {

constexpr std::chrono::milliseconds kAcceptBackOff{100};

// An I/O thread with its connections.
struct IoThread {
  explicit IoThread(Time tick_every) : tick_every(tick_every) {}

  void add(const std::shared_ptr<Connection>& connection) {
    connections.insert(connection);
    if (!ticking) arm_tick();
  }
  // Nothing ticks while there are no connections.
  void arm_tick() {
    ticking = !connections.empty();
    if (!ticking) return;
    timer.expires_after(tick_every);
    timer.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      const Time now = SteadyClock().now();
      std::erase_if(connections, [now](const auto& connection) {
        connection->tick(now);
        return connection->closed();
      });
      arm_tick();
    });
  }
  void close_all() {
    timer.cancel();
    for (const auto& connection : connections) connection->close();
    connections.clear();
  }

  Time tick_every;
  net::io_context context{1};
  net::executor_work_guard<net::io_context::executor_type> work{context.get_executor()};
  net::steady_timer timer{context};
  bool ticking = false;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::thread thread;
};

std::vector<std::unique_ptr<IoThread>> make_threads(const HttpServerOptions& options) {
  std::vector<std::unique_ptr<IoThread>> threads;
  for (int i = 0; i < std::max(1, options.io_threads); ++i) {
    threads.push_back(std::make_unique<IoThread>(options.timeouts.tick));
  }
  return threads;
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpServerOptions& options, RequestHandler& handler)
      : options(options),
        shared(std::make_shared<ConnectionShared>()),
        threads(make_threads(options)),
        workers(static_cast<std::size_t>(std::max(1, options.worker_threads))) {
    shared->handler = &handler;
    shared->limits = options.limits;
    shared->timeouts = options.timeouts;
  }

  Status open();
  Status open_tcp();
  Status open_local();
  void accept_next();
  void accept_later();

  HttpServerOptions options;
  std::shared_ptr<ConnectionShared> shared;
  std::vector<std::unique_ptr<IoThread>> threads;
  Acceptor acceptor{threads.front()->context};
  net::steady_timer back_off{threads.front()->context};
  std::size_t next_thread = 0;
  int bound_port = 0;
  bool bound_path = false;  // the socket's file is ours to remove
  bool stopped = false;
  net::thread_pool workers;
};

Status HttpServer::Impl::open() { return options.socket_path.empty() ? open_tcp() : open_local(); }

// What a person may do about an address that cannot be listened on.
std::string_view address_advice(const boost::system::error_code& error) {
  if (error == net::error::address_in_use) {
    return ": another program listens there; --port N names another port, 0 any free one";
  }
  if (error == net::error::access_denied) return ": ports below 1024 need rights; --port N";
  if (error == boost::system::errc::address_not_available || error == net::error::host_not_found) {
    return ": --host names an address of this machine; 127.0.0.1 is for itself, 0.0.0.0 for all";
  }
  return "";
}

Status HttpServer::Impl::open_tcp() {
  boost::system::error_code error;
  const auto failed = [&](const char* what) {
    return fail_at("port", ErrorCode::kIo, "cannot {} {}:{}: {}{}", what, options.host,
                   options.port, error.message(), address_advice(error));
  };
  Tcp::resolver resolver(threads.front()->context);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), Tcp::resolver::passive, error);
  if (error || found.empty()) return failed("resolve");
  const Tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed("open a socket for");
  acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  acceptor.bind(endpoint, error);
  if (error) return failed("bind");
  acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error) return failed("listen on");
  acceptor.non_blocking(true, error);
  const auto bound = acceptor.local_endpoint(error);
  Tcp::endpoint address;
  address.resize(bound.size());
  std::memcpy(address.data(), bound.data(), bound.size());
  bound_port = address.port();
  return {};
}

// A socket file that nobody listens on is a leftover and is replaced.
Status HttpServer::Impl::open_local() {
  const std::string& path = options.socket_path;
  boost::system::error_code error;
  const auto failed = [&](const char* what) {
    return fail_at("uds", ErrorCode::kIo, "cannot {} {}: {}", what, path, error.message());
  };
  constexpr std::size_t kPathBytes = 107;
  if (path.size() > kPathBytes) {
    return fail_at("uds", ErrorCode::kInvalid, "--uds {} has {} bytes, the limit is {}", path,
                   path.size(), kPathBytes);
  }
  const Local::endpoint endpoint(path);
  std::error_code ignored;
  if (std::filesystem::is_socket(path, ignored)) {
    Local::socket probe(threads.front()->context);
    probe.connect(endpoint, error);
    if (!error) {
      error = net::error::address_in_use;
      return failed("bind");
    }
    std::filesystem::remove(path, ignored);
  }
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed("open a socket for");
  acceptor.bind(endpoint, error);
  if (error) return failed("bind");
  bound_path = true;
  acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error) return failed("listen on");
  acceptor.non_blocking(true, error);
  return {};
}

void HttpServer::Impl::accept_next() {
  if (!acceptor.is_open()) return;
  if (shared->open >= static_cast<std::int64_t>(options.connections_max)) {
    accept_later();
    return;
  }
  IoThread& thread = *threads[next_thread++ % threads.size()];
  acceptor.async_accept(thread.context, [this, &thread](const boost::system::error_code& error,
                                                        ByteStream::Socket socket) {
    if (error == net::error::operation_aborted) return;
    if (error) {  // out of descriptors or memory: the backlog holds new clients meanwhile
      log(LogLevel::kWarning, "cannot accept a connection: {}", error.message());
      accept_later();
      return;
    }
    const auto connection =
        std::make_shared<Connection>(ByteStream(std::move(socket), options.tls), shared);
    net::post(thread.context, [&thread, connection] {
      thread.add(connection);
      connection->start();
    });
    accept_next();
  });
}

void HttpServer::Impl::accept_later() {
  back_off.expires_after(kAcceptBackOff);
  back_off.async_wait([this](const boost::system::error_code& error) {
    if (!error) accept_next();
  });
}

HttpServer::HttpServer(const HttpServerOptions& options, RequestHandler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}

HttpServer::~HttpServer() { stop(); }

Status HttpServer::listen() {
  QUIRE_TRY(impl_->open());
  for (const auto& thread : impl_->threads) {
    thread->thread = std::thread([context = &thread->context] { context->run(); });
  }
  net::post(impl_->threads.front()->context, [this] { impl_->accept_next(); });
  return {};
}

int HttpServer::port() const { return impl_->bound_port; }

std::string HttpServer::url() const {
  if (!impl_->options.socket_path.empty()) return "unix:" + impl_->options.socket_path;
  const std::string& host = impl_->options.host;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", impl_->options.tls ? "https" : "http", is_ipv6 ? "[" : "",
                     host, is_ipv6 ? "]" : "", port());
}

void HttpServer::run_on_worker(std::function<void()> task) {
  net::post(impl_->workers, std::move(task));
}

void HttpServer::begin_drain() {
  impl_->shared->draining = true;
  net::post(impl_->threads.front()->context, [this] {
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->back_off.cancel();
  });
}

std::size_t HttpServer::connections() const {
  return static_cast<std::size_t>(impl_->shared->open.load());
}

std::size_t HttpServer::busy_connections() const {
  return static_cast<std::size_t>(impl_->shared->busy.load());
}

void HttpServer::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  begin_drain();
  impl_->workers.join();
  for (const auto& thread : impl_->threads) {
    net::post(thread->context, [thread = thread.get()] {
      thread->close_all();
      thread->work.reset();
      thread->context.stop();
    });
  }
  for (const auto& thread : impl_->threads) {
    if (thread->thread.joinable()) thread->thread.join();
  }
  std::error_code ignored;
  if (impl_->bound_path) std::filesystem::remove(impl_->options.socket_path, ignored);
}

}  // namespace quire::server
