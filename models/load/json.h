// JSON from outside: bounded parsing and checked access. The only way to read untrusted JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace quire {

// Keeps the order of keys. Looking a key up is linear in the object's size; building is not.
using Json = nlohmann::ordered_json;

struct JsonLimits {
  int depth = 64;
  std::size_t nodes = 250'000;          // values, counting containers
  std::size_t string_bytes = 4u << 20;  // each string
  // Published config.json files contain bare Infinity and NaN (Python writes them).
  bool allow_non_finite = false;
};

// Refuses: more than the limits, duplicate keys, numbers that overflow a double, invalid UTF-8,
// lone surrogates, text behind the value. The message has the byte offset.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

// Compact text; invalid UTF-8 becomes U+FFFD. Never throws.
std::string dump_json(const Json& value);

// The member, or null when `object` has none or is no object.
const Json* find_member(const Json& object, std::string_view key);

// Each refuses another type or a value out of range with "<name> must be ..., got ...".
// Numbers are never coerced from strings or booleans.
Result<std::int64_t> json_integer(const Json& value, std::string_view name, std::int64_t min,
                                  std::int64_t max);
Result<double> json_number(const Json& value, std::string_view name, double min, double max);
Result<bool> json_bool(const Json& value, std::string_view name);
Result<std::string> json_string(const Json& value, std::string_view name);

}  // namespace quire
