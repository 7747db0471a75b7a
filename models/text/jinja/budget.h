// What one rendering may spend: steps, bytes and nesting. Exceeding any of it raises a
// TemplateError.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "models/text/template_limits.h"

namespace quire::text::jinja {

// What an interpreted template raises. Thrown and caught inside this folder only: an interpreter's
// error unwinds through user macros, filters and comparisons, and render() turns it into a Result.
struct TemplateError {
  std::string message;
};

template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw TemplateError{fmt::format(format, std::forward<Args>(args)...)};
}

// The account of the rendering that runs on this thread. Values are built and compared far away
// from the interpreter, so the account is found through the thread rather than passed along.
// Without one (while compiling) nothing is charged.
class Budget {
 public:
  explicit Budget(const TemplateLimits& limits);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  static Budget* current();

  void spend(std::int64_t steps) {
    fuel_ -= steps;
    if (fuel_ < 0) [[unlikely]]
      raise_out_of_fuel();
  }
  const TemplateLimits& limits() const { return limits_; }

 private:
  [[noreturn]] void raise_out_of_fuel() const;

  TemplateLimits limits_;
  std::int64_t fuel_;
  Budget* outer_;
};

// Steps of work: evaluated nodes, items of a list.
void spend(std::int64_t steps);
// A string of this many bytes is about to be built: refused beyond the output limit, else charged.
void spend_built_bytes(std::size_t bytes);
// The same refusal for a text that is still growing, without a charge.
void check_built_bytes(std::size_t bytes);
// Bytes looked at (searched, compared), which are cheaper than built ones.
void spend_scanned_bytes(std::size_t bytes);
// A text repeated or padded to this many bytes: refused beyond the limit for repetition.
void check_repeated_bytes(std::size_t bytes);

}  // namespace quire::text::jinja
