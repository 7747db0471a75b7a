// The bytes of an answer's head. Every field that we send passes through here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "server/http_types.h"

namespace quire::server {

// How the body that follows a head is delimited.
enum class BodyFraming {
  kLength,    // Content-Length
  kChunked,   // a stream on HTTP/1.1
  kUntilEnd,  // a stream on HTTP/1.0: the end of the connection
  kNone,      // 1xx, 204
};

struct HeadOptions {
  BodyFraming framing = BodyFraming::kLength;
  bool keep_alive = true;
  std::string_view request_id = {};
  double processing_ms = -1;  // below 0: not told
};

// Refuses fields with CR, LF or NUL (kInvalid): they would forge further fields.
Result<std::string> format_head(const HttpResponse& response, const HeadOptions& options);

// "404" -> "Not Found"
std::string_view reason_phrase(int status);

// One chunk of a chunked body; empty for empty bytes, because an empty chunk would end the body.
std::string format_chunk(std::string_view bytes);

// [A-Za-z0-9._:-]{1,128}
bool is_request_id(std::string_view id);

// The client's own id when it is one.
std::optional<std::string> accepted_request_id(const HttpRequest& request);

}  // namespace quire::server
