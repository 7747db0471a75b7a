// Readiness is awaited without a buffer and reads go through one buffer per thread, so that an idle
// connection costs little more than its socket.
#include "server/http_connection.h"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "server/ids.h"

namespace quire::server {
namespace net = boost::asio;
namespace {

constexpr std::string_view kHeartbeat = ": keep-alive\n\n";

Time steady_now() { return SteadyClock().now(); }

}  // namespace

class Connection::ConnectionExchange final : public Exchange {
 public:
  explicit ConnectionExchange(Connection& connection)
      : connection_(connection.weak_from_this()), executor_(connection.stream_.executor()) {}

  void post(std::function<void()> task) override { net::post(executor_, std::move(task)); }

  void respond(HttpResponse response) override {
    const auto connection = open();
    if (!connection) return;
    connection->shared_->handler->decorate(request, response);
    connection->send_response(response, request.method != "HEAD");
    connection->finish_exchange(response.status);
  }

  void begin_stream(HttpResponse head) override {
    const auto connection = open();
    if (!connection) return;
    streaming_ = true;
    is_chunked_ = request.version_minor == 1;
    if (!is_chunked_) connection->close_after_answer_ = true;
    connection->shared_->handler->decorate(request, head);
    HeadOptions options;
    options.framing = is_chunked_ ? BodyFraming::kChunked : BodyFraming::kUntilEnd;
    options.keep_alive = !connection->close_after_answer_;
    options.request_id = request_id;
    options.processing_ms = to_seconds(steady_now() - arrival) * 1e3;
    status_ = head.status;
    const auto bytes = format_head(head, options);
    CHECK(bytes.has_value(), "stream head: {}", bytes.error().message);
    connection->last_write_ = steady_now();
    connection->queue(*bytes);
    connection->flush();
  }

  void write(std::string_view bytes) override {
    const auto connection = open();
    if (!connection || bytes.empty()) return;
    connection->last_write_ = steady_now();
    connection->queue(is_chunked_ ? format_chunk(bytes) : std::string(bytes));
    connection->flush();
  }

  void end(std::string_view bytes) override {
    const auto connection = open();
    if (!connection) return;
    connection->queue(is_chunked_ ? format_chunk(bytes) + "0\r\n\r\n" : std::string(bytes));
    connection->finish_exchange(status_);
  }

  bool closed() const override { return open() == nullptr; }

  void on_hang_up(std::function<void()> task) override {
    const auto connection = open();
    hang_up_ = std::move(task);
    if (!connection) {
      run_hang_up();
    } else if (connection->peer_closed_) {
      connection->close();
    }
  }

  bool backlogged() const override {
    const auto connection = open();
    return connection && connection->pending_bytes() > connection->shared_->limits.stream_bytes;
  }
  void on_drained(std::function<void()> task) override { drained_ = std::move(task); }

 private:
  friend class Connection;

  std::shared_ptr<Connection> open() const {
    auto connection = connection_.lock();
    if (!connection || connection->closed_ || connection->exchange_.get() != this) return nullptr;
    return connection;
  }
  void run_hang_up() {
    drained_ = nullptr;
    if (auto task = std::exchange(hang_up_, nullptr)) task();
  }
  void run_drained() {
    if (auto task = std::exchange(drained_, nullptr)) task();
  }

  std::weak_ptr<Connection> connection_;
  net::any_io_executor executor_;
  std::function<void()> hang_up_;
  std::function<void()> drained_;
  int status_ = 200;
  bool streaming_ = false;
  bool is_chunked_ = true;
};

Connection::Connection(ByteStream stream, std::shared_ptr<ConnectionShared> shared)
    : stream_(std::move(stream)), shared_(std::move(shared)), parser_(shared_->limits) {
  ++shared_->open;
}

Connection::~Connection() {
  set_busy(false);
  --shared_->open;
}

void Connection::start() {
  since_ = steady_now();
  arm_read();
}

void Connection::set_busy(bool busy) {
  if (busy == busy_) return;
  busy_ = busy;
  shared_->busy += busy ? 1 : -1;
}

// --- reading

void Connection::arm_read() {
  const bool full = exchange_ && in_.size() - in_begin_ > shared_->limits.pipelined_bytes;
  if (reading_ || closed_ || peer_closed_ || full) return;
  reading_ = true;
  stream_.wait_readable([self = shared_from_this()](const boost::system::error_code& error) {
    self->reading_ = false;
    if (self->closed_) return;
    if (error) {
      self->close();
    } else {
      self->on_readable();
      self->arm_read();
    }
  });
}

void Connection::on_readable() {
  static thread_local std::string buffer(64u << 10, '\0');
  const IoResult got = stream_.read(buffer);
  switch (got.outcome) {
    case IoOutcome::kMoved:
      if (phase_ != Phase::kOpen) return;
      in_.append(buffer, 0, got.count);
      pump();
      return;
    case IoOutcome::kWaitReadable:
      return;
    case IoOutcome::kWaitWritable:  // a handshake's answer does not fit the socket's buffer
      if (!writing_) arm_write();
      return;
    case IoOutcome::kEnd:
      on_end_of_input();
      return;
    case IoOutcome::kFailed:
      close();
      return;
  }
}

void Connection::on_end_of_input() {
  peer_closed_ = true;
  if (!exchange_) {
    if (phase_ == Phase::kLingering) close();
    pump();
  } else if (exchange_->hang_up_) {
    close();
  }
}

void Connection::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!closed_ && phase_ == Phase::kOpen && !exchange_ && in_begin_ < in_.size() &&
         pending_bytes() <= shared_->limits.stream_bytes) {
    step_parser();
  }
  pumping_ = false;
  if (in_begin_ == in_.size()) {
    in_.clear();
    in_begin_ = 0;
    if (in_.capacity() > (64u << 10)) in_.shrink_to_fit();
  }
  if (!closed_ && peer_closed_ && !exchange_ && phase_ == Phase::kOpen && in_.empty()) {
    phase_ = Phase::kFlushing;
    flush();
  }
}

void Connection::step_parser() {
  if (parser_.idle()) since_ = steady_now();
  in_begin_ += parser_.feed(std::string_view(in_).substr(in_begin_));
  if (parser_.state() == HttpParser::State::kFailed) {
    refuse(parser_.failure());
    return;
  }
  if (parser_.state() == HttpParser::State::kHead) return;
  if (!head_seen_) {
    head_seen_ = true;
    since_ = steady_now();
    if (parser_.state() == HttpParser::State::kBody) {
      if (answer_early()) return;
      if (parser_.request().expects_continue) {
        queue("HTTP/1.1 100 Continue\r\n\r\n");
        flush();
      }
    }
  }
  if (parser_.state() == HttpParser::State::kDone) dispatch();
}

// A request that will be refused anyway is refused before its body is read.
bool Connection::answer_early() {
  const auto response = shared_->handler->refuse_early(parser_.request());
  if (!response) return false;
  close_after_answer_ = true;
  dispatch();
  return true;
}

void Connection::refuse(const HttpFailure& failure) {
  log(LogLevel::kDebug, "refused a message: {} {}", failure.status, failure.message);
  close_after_answer_ = true;
  HttpResponse response = shared_->handler->describe(failure);
  shared_->handler->decorate(parser_.request(), response);
  HeadOptions options;
  options.keep_alive = false;
  const std::string id = random_id();
  options.request_id = id;
  const auto head = format_head(response, options);
  CHECK(head.has_value(), "refusal: {}", head.error().message);
  queue(*head + response.body);
  shared_->handler->observe(parser_.request(), failure.status, 0);
  phase_ = Phase::kFlushing;
  flush();
}

void Connection::dispatch() {
  ++requests_;
  set_busy(true);
  exchange_ = std::make_shared<ConnectionExchange>(*this);
  exchange_->request = std::move(parser_.request());
  exchange_->arrival = steady_now();
  exchange_->request_id = accepted_request_id(exchange_->request).value_or(random_id());
  parser_ = HttpParser(shared_->limits);
  head_seen_ = false;
  if (!exchange_->request.keep_alive || shared_->draining ||
      requests_ >= shared_->limits.requests_per_connection) {
    close_after_answer_ = true;
  }
  shared_->handler->handle(exchange_);
}

// --- writing

void Connection::send_response(const HttpResponse& response, bool has_body) {
  if (shared_->draining) close_after_answer_ = true;
  HeadOptions options;
  const bool bodyless = response.status == 204 || response.status == 304;
  options.framing = bodyless ? BodyFraming::kNone : BodyFraming::kLength;
  options.keep_alive = !close_after_answer_;
  options.request_id = exchange_->request_id;
  options.processing_ms = to_seconds(steady_now() - exchange_->arrival) * 1e3;
  auto head = format_head(response, options);
  if (!head) {
    log(LogLevel::kError, "answer not sent: {}", head.error().message);
    close();
    return;
  }
  queue(*head);
  if (has_body) queue(response.body);
}

void Connection::queue(std::string_view bytes) {
  if (pending_bytes() == 0) last_progress_ = steady_now();
  out_.append(bytes);
}

void Connection::flush() {
  if (closed_ || writing_) return;
  while (pending_bytes() > 0) {
    const IoResult sent = stream_.write(std::string_view(out_).substr(out_begin_));
    if (sent.outcome == IoOutcome::kWaitWritable) {
      arm_write();
      return;
    }
    if (sent.outcome != IoOutcome::kMoved) {
      close();
      return;
    }
    out_begin_ += sent.count;
    on_progress();
  }
  after_flush();
}

void Connection::arm_write() {
  writing_ = true;
  stream_.wait_writable([self = shared_from_this()](const boost::system::error_code& error) {
    self->writing_ = false;
    if (self->closed_) return;
    if (error) {
      self->close();
    } else if (self->stream_.ready()) {
      self->flush();
    } else {
      self->on_readable();
    }
  });
}

void Connection::on_progress() {
  last_progress_ = steady_now();
  if (out_begin_ == out_.size()) {
    out_.clear();
    out_begin_ = 0;
    if (out_.capacity() > (64u << 10)) out_.shrink_to_fit();
  } else if (out_begin_ > shared_->limits.stream_bytes) {
    out_.erase(0, out_begin_);
    out_begin_ = 0;
  }
  if (exchange_ && pending_bytes() <= shared_->limits.stream_bytes / 2) {
    const auto exchange = exchange_;
    exchange->run_drained();
  }
}

// All that was queued has been sent.
void Connection::after_flush() {
  if (exchange_) return;
  set_busy(false);
  if (phase_ == Phase::kFlushing) {
    stream_.shut_down_sending();
    phase_ = Phase::kLingering;
    since_ = steady_now();
    if (peer_closed_) close();
  } else if (in_begin_ < in_.size()) {
    pump();
  }
}

void Connection::finish_exchange(int status) {
  const auto exchange = std::exchange(exchange_, nullptr);
  if (!exchange) return;
  exchange->hang_up_ = nullptr;
  exchange->drained_ = nullptr;
  since_ = steady_now();
  over_cap_since_ = Time::max();
  shared_->handler->observe(exchange->request, status, to_seconds(since_ - exchange->arrival));
  if (close_after_answer_) phase_ = Phase::kFlushing;
  flush();
  if (closed_) return;
  pump();
  arm_read();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  stream_.close();
  set_busy(false);
  if (const auto exchange = std::exchange(exchange_, nullptr)) {
    constexpr int kClientClosed = 499;
    shared_->handler->observe(exchange->request, kClientClosed,
                              to_seconds(steady_now() - exchange->arrival));
    exchange->run_hang_up();
  }
}

// --- deadlines

void Connection::tick(Time now) {
  if (closed_) return;
  const HttpTimeouts& timeouts = shared_->timeouts;
  if (pending_bytes() > shared_->limits.stream_bytes) {
    if (over_cap_since_ == Time::max()) over_cap_since_ = now;
  } else {
    over_cap_since_ = Time::max();
  }
  if (pending_bytes() > 0 &&
      (now - last_progress_ > timeouts.stall ||
       (over_cap_since_ != Time::max() && now - over_cap_since_ > timeouts.stall))) {
    log(LogLevel::kInfo, "closed a connection that takes no bytes");
    close();
    return;
  }
  if (phase_ == Phase::kLingering) {
    if (now - since_ > timeouts.linger) close();
  } else if (exchange_) {
    if (exchange_->streaming_ && now - last_write_ > timeouts.heartbeat) {
      const auto exchange = exchange_;
      exchange->write(kHeartbeat);
    }
  } else if (phase_ == Phase::kOpen && pending_bytes() == 0) {
    if (parser_.idle()) {
      if (now - since_ > (stream_.ready() ? timeouts.idle : timeouts.head)) close();
    } else if (parser_.state() == HttpParser::State::kHead) {
      if (now - since_ > timeouts.head) refuse({408, "the header section took too long"});
    } else if (now - since_ >
               timeouts.body_grace + from_seconds(static_cast<double>(parser_.body_bytes()) /
                                                  timeouts.body_bytes_per_second)) {
      refuse({408, "the body came too slowly"});
    }
  }
}

}  // namespace quire::server
