// Binds the arguments of a built-in function to its parameters, as Python does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/text/jinja/object.h"

namespace quire::text::jinja {

// Bound bound("join", arguments, {"d", "attribute"}); a name that begins with "/" is positional
// only. Raises for too many, unknown and doubled arguments.
class Bound {
 public:
  Bound(std::string_view function, const Arguments& arguments,
        std::initializer_list<std::string_view> parameters, std::size_t required = 0);

  bool has(std::size_t idx) const { return values_[idx] != nullptr; }
  // Null when it was not given.
  const Value* find(std::size_t idx) const { return values_[idx]; }
  const Value& at(std::size_t idx) const { return *values_[idx]; }  // of a required one
  Value get(std::size_t idx, Value fallback = {}) const;
  // Python's bool() of the argument.
  bool flag(std::size_t idx, bool fallback) const;
  std::int64_t integer(std::size_t idx, std::int64_t fallback) const;
  // None counts as not given.
  std::int64_t integer_or_none(std::size_t idx, std::int64_t fallback) const;
  std::string text(std::size_t idx, std::string_view fallback) const;  // raises unless a string

 private:
  std::string_view parameter_name(std::size_t idx) const;

  std::string_view function_;
  std::vector<std::string_view> parameters_;
  std::vector<const Value*> values_;
};

}  // namespace quire::text::jinja
