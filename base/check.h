// Programmer errors: CHECK prints the values and aborts, in every build. DCHECK only in debug
// builds.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace quire {

[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& message);

inline std::string check_message() { return {}; }
template <class... Args>
std::string check_message(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace quire

// CHECK(refs > 0, "page {} released twice", page)
#define CHECK(condition, ...)                                                                     \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::quire::check_failed(#condition, __FILE__, __LINE__, ::quire::check_message(__VA_ARGS__)); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition, ...) \
  do {                         \
  } while (false)
#else
#define DCHECK(condition, ...) CHECK(condition, ##__VA_ARGS__)
#endif
