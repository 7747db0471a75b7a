// One client connection: bytes in, requests out, answers back in order, deadlines kept.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "server/byte_stream.h"
#include "server/http_exchange.h"
#include "server/http_parser.h"
#include "server/http_writer.h"

namespace quire::server {

// What the connections of a server share.
struct ConnectionShared {
  RequestHandler* handler = nullptr;
  HttpLimits limits;
  HttpTimeouts timeouts;
  std::atomic<bool> draining{false};
  std::atomic<std::int64_t> open{0};
  std::atomic<std::int64_t> busy{0};
};

// Lives on one I/O thread. Invariants:
// 1. At most one exchange is in progress; later requests wait unparsed in in_.
// 2. Nothing is read while in_ holds more than the pipelining limit.
// 3. closed_ is final: the socket is closed and the exchange, if any, was told.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ByteStream stream, std::shared_ptr<ConnectionShared> shared);
  ~Connection();

  void start();
  // Looks at every deadline.
  void tick(Time now);
  // Closes without another word.
  void close();
  bool closed() const { return closed_; }

 private:
  class ConnectionExchange;
  enum class Phase { kOpen, kFlushing, kLingering };

  void arm_read();
  void on_readable();
  void on_end_of_input();
  void pump();
  void step_parser();
  void refuse(const HttpFailure& failure);
  void dispatch();
  bool answer_early();

  void queue(std::string_view bytes);
  void flush();
  void arm_write();
  void on_progress();
  void after_flush();
  void finish_exchange(int status);
  void set_busy(bool busy);
  void send_response(const HttpResponse& response, bool has_body);
  std::size_t pending_bytes() const { return out_.size() - out_begin_; }

  ByteStream stream_;
  std::shared_ptr<ConnectionShared> shared_;
  HttpParser parser_;
  std::shared_ptr<ConnectionExchange> exchange_;
  std::string in_;
  std::size_t in_begin_ = 0;
  std::string out_;
  std::size_t out_begin_ = 0;

  Phase phase_ = Phase::kOpen;
  bool closed_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool pumping_ = false;
  bool busy_ = false;
  bool peer_closed_ = false;
  bool head_seen_ = false;
  bool close_after_answer_ = false;
  int requests_ = 0;
  Time since_ = Time::zero();          // start of idling, of the head, of the body, of lingering
  Time last_progress_ = Time::zero();  // of writing
  Time last_write_ = Time::zero();     // of the stream, for heartbeats
  Time over_cap_since_ = Time::max();
};

}  // namespace quire::server
