// How Python prints values: str(), repr(), floats and JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/text/jinja/value.h"

namespace quire::text::jinja {

std::string to_text(const Value& value);  // str(): markup loses its mark
std::string repr(const Value& value);
std::string repr_text(std::string_view text);
std::string repr_float(double number);  // shortest digits that read back
std::string repr_int(Int number);

struct JsonStyle {
  bool ascii_only = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // of one level; none: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// json.dumps; raises for what JSON has no form for.
std::string to_json(const Value& value, const JsonStyle& style);

}  // namespace quire::text::jinja
