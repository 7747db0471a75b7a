// A strict, incremental HTTP/1.1 request parser: whatever two parsers could frame differently is
// refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "server/http_chunked.h"
#include "server/http_types.h"

namespace quire::server {

// Feeds bytes of one request. RFC 9112, with every leniency that has been used for request
// smuggling left out: see tests/server/http_framing_test.cc for the table.
class HttpParser {
 public:
  enum class State { kHead, kBody, kDone, kFailed };

  explicit HttpParser(const HttpLimits& limits) : limits_(&limits), chunked_(limits) {}

  // Takes what belongs to this request and returns how many bytes that were. Never takes more
  // after kDone or kFailed.
  std::size_t feed(std::string_view bytes);

  State state() const { return state_; }
  // No byte of the request has come yet.
  bool idle() const { return state_ == State::kHead && head_.empty(); }
  // Valid with kBody (all but the body) and kDone.
  HttpRequest& request() { return request_; }
  std::size_t body_bytes() const { return request_.body.size(); }
  // Valid with kFailed.
  const HttpFailure& failure() const { return failure_; }

 private:
  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  void finish_head();
  void refuse(HttpFailure failure);

  const HttpLimits* limits_;
  State state_ = State::kHead;
  std::string head_;
  HttpRequest request_;
  std::size_t content_left_ = 0;  // of a Content-Length body
  bool is_chunked_ = false;
  ChunkedDecoder chunked_;
  HttpFailure failure_;
};

// The header section, from the request line to the blank line. On success `content_length` is the
// body's length and `chunked` tells whether it is chunked instead.
struct HeadFacts {
  HttpRequest request;
  std::size_t content_length = 0;
  bool chunked = false;
};
tl::expected<HeadFacts, HttpFailure> parse_head(std::string_view head, const HttpLimits& limits);

// One "name: value" line without its line end, as the grammar of RFC 9112 section 5 has it.
std::optional<HttpField> parse_field_line(std::string_view line);

}  // namespace quire::server
