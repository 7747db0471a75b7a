// Strings and numbers of a JSON Schema as grammar.
#pragma once

#include <string>
#include <vector>

#include "engine/grammar/grammar.h"
#include "engine/grammar/json_values.h"
#include "models/load/json.h"

namespace quire::grammar {

// Keywords of our own, which no client can write since they are no UTF-8: what merging and
// negating schemas leave. Each has a list.
inline constexpr const char* kMorePatterns = "\xFEpatterns";
inline constexpr const char* kNotPatterns = "\xFEnotPatterns";
inline constexpr const char* kExcept =
    "\xFE"
    "except";  // values that are not allowed
inline constexpr const char* kFraction =
    "\xFE"
    "fraction";  // [true]: numbers that are no integers
inline constexpr const char* kMoreShapes =
    "\xFEshapes";  // properties, patternProperties, additionalProperties each
inline constexpr const char* kContains =
    "\xFE"
    "contains";  // contains, minContains, maxContains each
inline constexpr const char* kAlso =
    "\xFE"
    "also";  // schemas that hold, too

class ScalarSchemas {
 public:
  // All must outlive the object.
  ScalarSchemas(Grammar& grammar, JsonValues& values, const GrammarLimits& limits)
      : grammar_(grammar), values_(values), limits_(limits) {}

  // pattern, format, minLength, maxLength, excluded values.
  Result<NodeId> string(const Json& schema, const std::string& path);
  // minimum, maximum, their exclusive forms, multipleOf, excluded values.
  Result<NodeId> number(const Json& schema, bool integer, const std::string& path);
  // The keys that a pattern finds, or does not find, as quoted strings.
  Result<NodeId> keys(const std::vector<std::string>& patterns, const std::string& path);

 private:
  Result<NodeId> content(const std::string& pattern, const std::string& path);
  Result<NodeId> combine(NodeId a, bool without, NodeId b, const std::string& path);
  Result<NodeId> number_without(const Json& schema, const Json& except, const std::string& path);
  Result<NodeId> multiples(const Json& schema, bool integer, const std::string& path);

  Grammar& grammar_;
  JsonValues& values_;
  const GrammarLimits& limits_;
};

// A count keyword, or `absent`; more than kCountMax is refused.
Result<int> read_count(const Json& schema, const char* key, int absent, const std::string& path);
inline constexpr int kCountMax = 1000;

}  // namespace quire::grammar
