// Decodes a chunked body, with bounds on what is not content.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/http_types.h"

namespace quire::server {

// Incremental; content goes to the caller's string, extensions and trailers are read and dropped.
class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(const HttpLimits& limits) : limits_(&limits) {}

  // Takes bytes of the body, appends content to `body`; returns how many bytes were taken. Takes
  // nothing behind the end of the body.
  std::size_t feed(std::string_view bytes, std::string& body);

  bool done() const { return part_ == Part::kDone; }
  const std::optional<HttpFailure>& failure() const { return failure_; }

 private:
  enum class Part { kSizeLine, kContent, kContentEnd, kTrailer, kDone };

  // Collects a line up to CR LF; true when it is complete in line_, without its line end.
  bool take_line(std::string_view bytes, std::size_t& used);
  void end_size_line(std::size_t body_bytes);
  void end_trailer_line();
  void refuse(int status, std::string message) {
    failure_ = HttpFailure{status, std::move(message)};
  }

  const HttpLimits* limits_;
  Part part_ = Part::kSizeLine;
  std::string line_;
  std::size_t content_left_ = 0;
  std::size_t extra_bytes_ = 0;  // extensions and trailers so far
  std::optional<HttpFailure> failure_;
};

}  // namespace quire::server
