// Errors as OpenAI's clients read them: one table of kinds, one body, one place that maps ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/http_types.h"

namespace quire::server {

struct ErrorKind {
  int status;
  std::string_view type;
  std::string_view code;  // empty: null
};

inline constexpr ErrorKind kBadRequest{400, "invalid_request_error", ""};
inline constexpr ErrorKind kUnknownField{400, "invalid_request_error", "unknown_field"};
inline constexpr ErrorKind kUnsupportedField{400, "invalid_request_error", "unsupported_field"};
inline constexpr ErrorKind kContextLength{400, "invalid_request_error", "context_length_exceeded"};
inline constexpr ErrorKind kUnsupportedEndpoint{400, "invalid_request_error",
                                                "unsupported_endpoint"};
inline constexpr ErrorKind kCancelled{400, "invalid_request_error", "request_cancelled"};
inline constexpr ErrorKind kModelNotFound{404, "invalid_request_error", "model_not_found"};
inline constexpr ErrorKind kPathNotFound{404, "invalid_request_error", "not_found"};
inline constexpr ErrorKind kMethodNotAllowed{405, "invalid_request_error", "method_not_allowed"};
inline constexpr ErrorKind kLengthRequired{411, "invalid_request_error", "length_required"};
inline constexpr ErrorKind kMediaType{415, "invalid_request_error", "unsupported_media_type"};
inline constexpr ErrorKind kRateLimited{429, "rate_limit_error", "rate_limit_exceeded"};
inline constexpr ErrorKind kServerError{500, "server_error", "internal_error"};
inline constexpr ErrorKind kUnavailable{503, "unavailable_error", "service_unavailable"};
inline constexpr ErrorKind kDeadline{504, "timeout_error", "timeout"};

struct ApiError {
  ErrorKind kind = kServerError;
  std::string message;
  std::string param = {};
  std::vector<std::pair<std::string, std::int64_t>> numbers = {};  // further members of the error
  int retry_after_s = 1;  // with 429 and 503: when trying again may help
};

template <class... Args>
tl::unexpected<ApiError> api_fail(const ErrorKind& kind, std::string param,
                                  fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<ApiError>(
      ApiError{kind, fmt::format(format, std::forward<Args>(args)...), std::move(param)});
}

// kInvalid -> 400, kOverloaded -> 429, kIo and kInternal -> 500 ...
ApiError api_error(const Error& error);

// {"error": {"message", "type", "param", "code", ...}}
std::string error_body(const ApiError& error);

// With Retry-After where trying again may help, x-should-retry: false where it cannot.
HttpResponse error_response(const ApiError& error);

}  // namespace quire::server
