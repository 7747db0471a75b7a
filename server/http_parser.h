// A strict, incremental HTTP/1.1 request parser: whatever two parsers could frame differently is
// refused.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "server/http_types.h"

namespace quire::server {

// Feeds bytes of one request. RFC 9112, with every leniency that has been used for request
// smuggling left out: see tests/server/http_framing_test.cc for the table.
class HttpParser {
 public:
  enum class State { kHead, kBody, kDone, kFailed };

  explicit HttpParser(const HttpLimits& limits);
  HttpParser(HttpParser&&) noexcept;
  HttpParser& operator=(HttpParser&&) noexcept;
  ~HttpParser();

  // Takes what belongs to this request and returns how many bytes that were. Never takes more
  // after kDone or kFailed.
  std::size_t feed(std::string_view bytes);

  State state() const { return state_; }
  // No byte of the request has come yet.
  bool idle() const { return state_ == State::kHead && pending_.empty(); }
  // Valid with kBody (all but the body) and kDone.
  HttpRequest& request();
  std::size_t body_bytes() const;
  // Valid with kFailed.
  const HttpFailure& failure() const { return failure_; }

 private:
  class Grammar;  // on Boost.Beast
  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  void finish_head();
  void settle();
  void refuse(HttpFailure failure);

  // Twice what a chunk's size and the line end before it may take.
  static constexpr std::size_t kChunkFrameBytes = 40;

  const HttpLimits* limits_;
  State state_ = State::kHead;
  std::string pending_;  // of the head, then of a chunked body: what is not complete yet
  std::unique_ptr<Grammar> grammar_;
  HttpFailure failure_;
};

}  // namespace quire::server
