// Lines on standard error with a level; text or JSON. Never user content at the default level.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace quire {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat { kText, kJson };

// Process-wide; set once before other threads start.
void set_log(LogLevel level, LogFormat format);
bool log_enabled(LogLevel level);
// Thread-safe: one write per line.
void log_line(LogLevel level, const std::string& message);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace quire
