// An HTTP/1.1 message as the rest of the server sees it: parsed, checked and free of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace quire::server {

// A header field. The names of received fields are lower-case.
struct HttpField {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string path;   // without the query, as it came: nothing is decoded or collapsed
  std::string query;  // behind '?', may be empty
  int version_minor = 1;
  std::vector<HttpField> fields;  // of the header section only; trailers are dropped
  std::string body;
  bool has_length = false;  // Content-Length or chunked
  bool keep_alive = true;
  bool expects_continue = false;

  // The first field of that (lower-case) name, or null.
  const std::string* field(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpField> fields = {};
  std::string body = {};
};

// Why a message was refused before it reached a handler; the connection closes after the answer.
struct HttpFailure {
  int status = 400;
  std::string message;
};

struct HttpLimits {
  std::size_t head_bytes = 16u << 10;
  std::size_t field_count = 100;
  std::size_t target_bytes = 8u << 10;
  std::size_t body_bytes = 8u << 20;
  std::size_t chunk_extra_bytes = 8u << 10;  // extensions, and trailers, of one message
  std::size_t pipelined_bytes = 64u << 10;   // read ahead while an answer is being made
  std::size_t stream_bytes = 256u << 10;     // unsent bytes of one stream before it is held back
  int requests_per_connection = 10'000;
};

struct HttpTimeouts {
  Time head = from_seconds(10);
  Time body_grace = from_seconds(10);  // after it, the body must average body_rate
  double body_bytes_per_second = 1024;
  Time idle = from_seconds(75);
  Time stall = from_seconds(30);      // a reader that takes nothing for so long has hung up
  Time heartbeat = from_seconds(15);  // silence of a stream before a comment is sent
  Time linger = from_seconds(2);      // after a refusal: what still comes is read and dropped
  Time tick = from_seconds(0.25);     // how often deadlines are looked at
};

}  // namespace quire::server
