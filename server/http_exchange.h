// One request and the way to its answer: what a handler sees of a connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "server/http_types.h"

namespace quire::server {

// Held by shared pointers. All methods but post() and the plain facts belong to the connection's
// I/O thread; a handler on another thread gets there with post(). After the connection has gone
// every method does nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Facts, immutable once the handler has been called.
  HttpRequest request;
  std::string request_id;       // for the X-Request-Id field
  Time arrival = Time::zero();  // when the request was complete, on the steady clock

  // Runs `task` on the connection's I/O thread, in the order of the calls. Any thread.
  virtual void post(std::function<void()> task) = 0;

  // Exactly one of: respond(), or begin_stream() and then end().
  virtual void respond(HttpResponse response) = 0;
  // Sends the head at once. While nothing is written, comments keep the line alive.
  virtual void begin_stream(HttpResponse head) = 0;
  virtual void write(std::string_view bytes) = 0;
  // The last bytes and the end of the body go out in one write.
  virtual void end(std::string_view bytes) = 0;

  // True when nobody will read the answer.
  virtual bool closed() const = 0;
  // Says that this request generates: `task` runs once when the client closes its side or stops
  // reading, at once when it already has. Without it a request is answered after a half-close.
  virtual void on_hang_up(std::function<void()> task) = 0;

  // More than the byte cap waits to be sent; `task` runs once when it has been.
  virtual bool backlogged() const = 0;
  virtual void on_drained(std::function<void()> task) = 0;
};

using ExchangePtr = std::shared_ptr<Exchange>;

// What the HTTP layer serves.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // Called when the head is known, before the body is read: a response refuses the request.
  virtual std::unique_ptr<HttpResponse> refuse_early(const HttpRequest& request) = 0;
  // On the I/O thread; must not block.
  virtual void handle(ExchangePtr exchange) = 0;
  // The body of an answer to a message that was refused before it reached a handler.
  virtual HttpResponse describe(const HttpFailure& failure) = 0;
  // Adds what every answer to the request carries, refusals included. On the I/O thread.
  virtual void decorate(const HttpRequest& request, HttpResponse& response) = 0;
  // After the last byte of an answer was queued, or the client has gone (status 499).
  virtual void observe(const HttpRequest& request, int status, double seconds) = 0;
};

}  // namespace quire::server
