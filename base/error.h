// Expected failures: a closed set of kinds, a message that names the thing, the value and the
// limit.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace quire {

enum class ErrorCode {
  kInvalid,      // the caller's input is wrong; the caller can mend it
  kNotFound,     // a named thing does not exist
  kUnsupported,  // understood, but not available here
  kOverloaded,   // a limit of the moment; the same call may succeed later
  kCancelled,    // ended by its owner
  kIo,           // the operating system said no
  kInternal,     // a fault of ours
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string param = {};  // the request field or file that caused it, may be empty
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// fail(ErrorCode::kInvalid, "max_tokens {} exceeds the context {}", n, limit) converts to any
// Result.
template <class... Args>
tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// The same, with the name of the field or file at fault.
template <class... Args>
tl::unexpected<Error> fail_at(std::string param, ErrorCode code, fmt::format_string<Args...> format,
                              Args&&... args) {
  return tl::unexpected<Error>(
      Error{code, fmt::format(format, std::forward<Args>(args)...), std::move(param)});
}

}  // namespace quire

// Returns the error of a Result or Status expression to the caller.
#define QUIRE_TRY(expression)                                      \
  do {                                                             \
    if (auto quire_status = (expression); !quire_status)           \
      return tl::unexpected<::quire::Error>(quire_status.error()); \
  } while (false)

#define QUIRE_CONCAT_(a, b) a##b
#define QUIRE_CONCAT(a, b) QUIRE_CONCAT_(a, b)

// QUIRE_ASSIGN(auto x, make_x()): binds the value or returns the error to the caller.
#define QUIRE_ASSIGN(declaration, expression) \
  QUIRE_ASSIGN_(QUIRE_CONCAT(quire_result_, __LINE__), declaration, expression)
#define QUIRE_ASSIGN_(result, declaration, expression)                \
  auto result = (expression);                                         \
  if (!result) return tl::unexpected<::quire::Error>(result.error()); \
  declaration = std::move(*result)
