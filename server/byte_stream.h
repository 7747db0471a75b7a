// A client's byte stream: TCP or Unix socket, plain or encrypted, read and written without waiting.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "server/tls.h"

namespace quire::server {

class ByteStream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  // tls: null for a plain stream. Makes the socket non-blocking.
  ByteStream(Socket socket, const std::shared_ptr<const TlsContext>& tls);

  IoResult read(std::span<char> into);
  IoResult write(std::string_view bytes);
  // Nothing more is sent; what the peer still sends can be read.
  void shut_down_sending();
  void close();

  // False while a TLS handshake is under way: nothing may be written yet.
  bool ready() const { return !tls_ || tls_->established(); }
  auto executor() { return socket_.get_executor(); }

  template <class Handler>
  void wait_readable(Handler&& handler) {
    socket_.async_wait(Socket::wait_read, std::forward<Handler>(handler));
  }
  template <class Handler>
  void wait_writable(Handler&& handler) {
    socket_.async_wait(Socket::wait_write, std::forward<Handler>(handler));
  }

 private:
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace quire::server
