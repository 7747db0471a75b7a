// Plain sockets go through Asio, encrypted ones through OpenSSL on the same descriptor.
#include "server/byte_stream.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace quire::server {
namespace net = boost::asio;
namespace {

IoResult result_of(const boost::system::error_code& error, std::size_t count, IoOutcome wait) {
  if (!error) return {IoOutcome::kMoved, count};
  if (error == net::error::would_block || error == net::error::try_again) return {wait, 0};
  return {error == net::error::eof ? IoOutcome::kEnd : IoOutcome::kFailed, 0};
}

}  // namespace

ByteStream::ByteStream(Socket socket, const std::shared_ptr<const TlsContext>& tls)
    : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(net::ip::tcp::no_delay(true), ignored);  // Unix sockets have no such option
  if (tls) tls_ = std::make_unique<TlsSession>(tls, socket_.native_handle());
}

IoResult ByteStream::read(std::span<char> into) {
  if (tls_) return tls_->read(into);
  boost::system::error_code error;
  const std::size_t count = socket_.read_some(net::buffer(into.data(), into.size()), error);
  return result_of(error, count, IoOutcome::kWaitReadable);
}

IoResult ByteStream::write(std::string_view bytes) {
  if (tls_) return tls_->write(bytes);
  boost::system::error_code error;
  const std::size_t count = socket_.write_some(net::buffer(bytes.data(), bytes.size()), error);
  return result_of(error, count, IoOutcome::kWaitWritable);
}

void ByteStream::shut_down_sending() {
  if (tls_) tls_->say_end();
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void ByteStream::close() {
  tls_ = nullptr;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace quire::server
