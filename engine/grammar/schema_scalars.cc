// A lone keyword has a direct form; several are combined as automata.
#include "engine/grammar/schema_scalars.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/grammar/front_ends.h"
#include "engine/grammar/product.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

// Multiples between two bounds that are written out one by one.
constexpr double kListedMax = 1000;
constexpr std::uint64_t kFactorMax = 1000;
constexpr std::uint64_t kFractionFactorMax = 300;  // in units of its last place
constexpr std::size_t kHolesMax = 32;

std::vector<std::string> texts_of(const Json& schema, const char* key) {
  std::vector<std::string> out;
  const Json* list = find_member(schema, key);
  if (list == nullptr) return out;
  for (const Json& value : *list) {
    if (value.is_string()) out.push_back(value.get<std::string>());
  }
  return out;
}

// A pattern that begins with lookaheads, as several patterns: "^(?!a)(?=b)c" finds what "^c" and
// "^(?:b)" find and "^(?:a)" does not.
struct SplitPattern {
  std::string rest;
  std::vector<std::string> also, never;
};

// Behind the parenthesis that closes the one at `begin`; npos when none does.
std::size_t end_of_group(std::string_view text, std::size_t begin) {
  int open = 0;
  bool in_class = false;
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (in_class) {
      in_class = text[i] != ']';
    } else if (text[i] == '[') {
      in_class = true;
    } else if (text[i] == '(') {
      ++open;
    } else if (text[i] == ')' && --open == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// An alternative outside of groups: then a lookahead is of the first alternative only.
bool has_alternatives(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '|') return true;
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      i = end_of_group(text, i);
      if (i == std::string_view::npos) return false;
      --i;
    } else if (text[i] == '[') {
      for (++i; i < text.size() && text[i] != ']'; ++i) i += text[i] == '\\' ? 1 : 0;
    }
  }
  return false;
}

SplitPattern split_lookaheads(const std::string& pattern) {
  SplitPattern out{pattern, {}, {}};
  while (out.rest.starts_with("^(?!") || out.rest.starts_with("^(?=")) {
    const std::size_t end = end_of_group(out.rest, 1);
    if (end == std::string::npos || has_alternatives(out.rest)) break;
    std::string inner = out.rest.substr(4, end - 5);
    if (inner.starts_with('^') && !has_alternatives(inner)) inner.erase(0, 1);
    // An end is one of the whole pattern.
    const bool ends = inner.ends_with('$') && !inner.ends_with("\\$") && !has_alternatives(inner);
    if (ends) inner.pop_back();
    std::string anchored = "^(?:" + inner + ")" + (ends ? "$" : "");
    (out.rest[3] == '!' ? out.never : out.also).push_back(std::move(anchored));
    out.rest = "^" + out.rest.substr(end);
  }
  return out;
}

}  // namespace

Result<int> read_count(const Json& schema, const char* key, int absent, const std::string& path) {
  const Json* member = find_member(schema, key);
  if (member == nullptr) return absent;
  QUIRE_ASSIGN(const std::int64_t number,
               json_integer(*member, path + "/" + key, 0, 1'000'000'000));
  if (number > kCountMax) return schema_error(path + "/" + key, "{} exceeds {}", number, kCountMax);
  return static_cast<int>(number);
}

Result<NodeId> ScalarSchemas::content(const std::string& pattern, const std::string& path) {
  RegexOptions options;
  options.match = RegexMatch::kSearch;
  options.code_points = [&](std::vector<CodePointRange> ranges) {
    return values_.escaped_code_points(std::move(ranges));
  };
  auto node = add_regex(grammar_, pattern, options, limits_);
  if (!node) return schema_error(path, "{}", node.error().message);
  return node;
}

Result<NodeId> ScalarSchemas::combine(NodeId a, bool without, NodeId b, const std::string& path) {
  auto node = add_product(grammar_, a, without ? Combine::kWithout : Combine::kAnd, b);
  if (!node) return schema_error(path, "{}", node.error().message);
  return node;
}

Result<NodeId> ScalarSchemas::string(const Json& schema, const std::string& path) {
  QUIRE_ASSIGN(const int min, read_count(schema, "minLength", 0, path));
  QUIRE_ASSIGN(const int max, read_count(schema, "maxLength", kUnbounded, path));
  if (max != kUnbounded && max < min) return grammar_.choice({});
  std::vector<std::pair<std::string, std::string>> patterns;  // with their paths
  std::vector<std::string> not_patterns = texts_of(schema, kNotPatterns);
  const auto add_pattern = [&](const std::string& pattern) {
    const SplitPattern split = split_lookaheads(pattern);
    patterns.emplace_back(split.rest, path + "/pattern");
    for (const std::string& also : split.also) patterns.emplace_back(also, path + "/pattern");
    not_patterns.insert(not_patterns.end(), split.never.begin(), split.never.end());
  };
  if (const Json* pattern = find_member(schema, "pattern")) {
    QUIRE_ASSIGN(const std::string text, json_string(*pattern, path + "/pattern"));
    add_pattern(text);
  }
  for (const std::string& more : texts_of(schema, kMorePatterns)) add_pattern(more);
  if (const Json* format = find_member(schema, "format")) {
    QUIRE_ASSIGN(const std::string name, json_string(*format, path + "/format"));
    const std::string_view known = format_pattern(name);
    if (known.empty()) return schema_error(path + "/format", "\"{}\" is not supported", name);
    if (known != kAnyText) patterns.emplace_back(known, path + "/format");
  }
  const std::vector<std::string> except = texts_of(schema, kExcept);
  const bool limited = min > 0 || max != kUnbounded;
  if (patterns.empty() && not_patterns.empty() && !limited && !except.empty()) {
    return values_.string_except(except);
  }
  if (patterns.empty() && not_patterns.empty() && except.empty()) {
    return values_.string_of_length(min, max);
  }
  // One spelling for each text, so that the automata speak of the same texts.
  NodeId node = grammar_.repeat(values_.escaped_code_points({{0, 0x10FFFF}}), min, max);
  bool whole = !limited;
  for (const auto& [pattern, where] : patterns) {
    QUIRE_ASSIGN(const NodeId found, content(pattern, where));
    if (whole) {
      node = found;
    } else {
      QUIRE_ASSIGN(node, combine(node, false, found, where));
    }
    whole = false;
  }
  for (const std::string& pattern : not_patterns) {
    QUIRE_ASSIGN(const NodeId found, content(pattern, path + "/not/pattern"));
    QUIRE_ASSIGN(node, combine(node, true, found, path + "/not/pattern"));
  }
  for (const std::string& text : except) {
    const std::string quoted = dump_json(Json(text));
    const NodeId literal = grammar_.literal(quoted.substr(1, quoted.size() - 2));
    QUIRE_ASSIGN(node, combine(node, true, literal, path + "/not"));
  }
  return values_.quoted(node);
}

Result<NodeId> ScalarSchemas::keys(const std::vector<std::string>& patterns,
                                   const std::string& path) {
  std::vector<NodeId> choices;
  for (const std::string& pattern : patterns) {
    QUIRE_ASSIGN(const NodeId found, content(pattern, path + "/patternProperties/" + pattern));
    choices.push_back(values_.quoted(found));
  }
  return grammar_.choice(std::move(choices));
}

namespace {

struct Bounds {
  std::optional<Decimal> min, max;
  bool min_excluded = false, max_excluded = false;
};

Result<std::optional<Decimal>> bound(const Json& schema, const char* key, const std::string& path) {
  const Json* member = find_member(schema, key);
  if (member == nullptr) return std::optional<Decimal>();
  if (!member->is_number()) return schema_error(path + "/" + key, "must be a number");
  const auto decimal = decimal_of(dump_json(*member));
  if (!decimal) return schema_error(path + "/" + key, "{} has too many digits", dump_json(*member));
  return std::optional(*decimal);
}

Result<Bounds> bounds_of(const Json& schema, const std::string& path) {
  Bounds bounds;
  QUIRE_ASSIGN(bounds.min, bound(schema, "minimum", path));
  QUIRE_ASSIGN(bounds.max, bound(schema, "maximum", path));
  QUIRE_ASSIGN(const auto above, bound(schema, "exclusiveMinimum", path));
  QUIRE_ASSIGN(const auto below, bound(schema, "exclusiveMaximum", path));
  if (above && (!bounds.min || compare(*above, *bounds.min) >= 0)) {
    bounds.min = above;
    bounds.min_excluded = true;
  }
  if (below && (!bounds.max || compare(*below, *bounds.max) <= 0)) {
    bounds.max = below;
    bounds.max_excluded = true;
  }
  return bounds;
}

JsonValues::NumberBounds wanted(const Bounds& bounds) {
  JsonValues::NumberBounds out;
  out.min = bounds.min;
  out.max = bounds.max;
  out.min_excluded = bounds.min_excluded;
  out.max_excluded = bounds.max_excluded;
  return out;
}

}  // namespace

Result<NodeId> ScalarSchemas::multiples(const Json& schema, bool integer, const std::string& path) {
  const std::string here = path + "/multipleOf";
  const Json& member = schema["multipleOf"];
  if (!member.is_number() || !(member.get<double>() > 0)) {
    return schema_error(here, "must be a number above 0");
  }
  const auto factor = decimal_of(dump_json(member));
  if (!factor) return schema_error(here, "{} has too many digits", dump_json(member));
  QUIRE_ASSIGN(const Bounds bounds, bounds_of(schema, path));
  const double size = member.get<double>();
  if (bounds.min && bounds.max) {
    const double low = std::ceil(value_of(*bounds.min) / size);
    const double high = std::floor(value_of(*bounds.max) / size);
    if (high - low <= kListedMax && std::abs(low) < 1e9 && std::abs(high) < 1e9) {
      std::vector<NodeId> choices;
      for (auto i = static_cast<std::int64_t>(low) - 1; i <= static_cast<std::int64_t>(high) + 1;
           ++i) {
        const auto multiple = times(*factor, i);
        if (!multiple || (integer && !multiple->fraction.empty())) continue;
        const int below = compare(*multiple, *bounds.min), above = compare(*multiple, *bounds.max);
        if (below < (bounds.min_excluded ? 1 : 0) || above > (bounds.max_excluded ? -1 : 0)) {
          continue;
        }
        choices.push_back(grammar_.literal(spell(*multiple)));
      }
      return grammar_.choice(std::move(choices));
    }
  }
  std::size_t places = factor->fraction.size();
  std::uint64_t unit = scaled(*factor, places).value_or(kFactorMax + 1);
  // An integer is a multiple of 1.5 exactly when it is one of 3.
  for (; integer && places > 0; --places) {
    for (const std::uint64_t prime : {2, 5}) unit /= unit % prime == 0 ? prime : 1;
  }
  if (unit > kFactorMax || (places > 0 && unit > kFractionFactorMax)) {
    return schema_error(here, "{} needs too many remainders without both bounds",
                        dump_json(member));
  }
  const NodeId node =
      integer ? values_.integer_multiples(unit) : values_.number_multiples(unit, places);
  if (!bounds.min && !bounds.max) return node;
  Json rest = schema;
  rest.erase("multipleOf");
  QUIRE_ASSIGN(const NodeId range, number(rest, integer, path));
  return combine(node, false, range, here);
}

// Below, between and above the numbers that are excluded.
Result<NodeId> ScalarSchemas::number_without(const Json& schema, const Json& except,
                                             const std::string& path) {
  std::vector<Decimal> holes;
  for (const Json& value : except) {
    if (!value.is_number()) continue;
    const auto decimal = decimal_of(dump_json(value));
    if (!decimal) return schema_error(path + "/not", "{} has too many digits", dump_json(value));
    holes.push_back(*decimal);
  }
  if (holes.empty()) return number(schema, false, path);
  if (holes.size() > kHolesMax) {
    return schema_error(path + "/not", "cannot be enforced for more than {} numbers", kHolesMax);
  }
  std::sort(holes.begin(), holes.end(),
            [](const Decimal& a, const Decimal& b) { return compare(a, b) < 0; });
  QUIRE_ASSIGN(const Bounds bounds, bounds_of(schema, path));
  std::vector<NodeId> choices;
  for (std::size_t i = 0; i <= holes.size(); ++i) {
    JsonValues::NumberBounds part = wanted(bounds);
    if (i > 0 && (!part.min || compare(*part.min, holes[i - 1]) <= 0)) {
      part.min = holes[i - 1];
      part.min_excluded = true;
    }
    if (i < holes.size() && (!part.max || compare(*part.max, holes[i]) >= 0)) {
      part.max = holes[i];
      part.max_excluded = true;
    }
    const int order = part.min && part.max ? compare(*part.min, *part.max) : -1;
    if (order > 0 || (order == 0 && (part.min_excluded || part.max_excluded))) continue;
    choices.push_back(values_.number_between(part));
  }
  return grammar_.choice(std::move(choices));
}

Result<NodeId> ScalarSchemas::number(const Json& schema, bool integer, const std::string& path) {
  NodeId node = -1;
  if (schema.contains(kFraction)) {
    if (integer) return grammar_.choice({});
    Json rest = schema;
    rest.erase(kFraction);
    QUIRE_ASSIGN(node, number(rest, integer, path));
    return combine(node, false, values_.number_with_fraction(), path);
  }
  if (const Json* except = find_member(schema, kExcept)) {
    Json rest = schema;
    rest.erase(kExcept);
    // 1, 1.0 and 1e0 are one number: only integers have one spelling here.
    if (!integer && rest.contains("multipleOf")) {
      QUIRE_ASSIGN(node, multiples(rest, integer, path));
      rest.erase("multipleOf");
      QUIRE_ASSIGN(const NodeId others, number_without(rest, *except, path));
      return combine(node, false, others, path + "/not");
    }
    if (!integer) return number_without(rest, *except, path);
    QUIRE_ASSIGN(node, number(rest, integer, path));
    for (const Json& value : *except) {
      if (!value.is_number()) continue;
      const auto decimal = decimal_of(dump_json(value));
      if (!decimal || !decimal->fraction.empty()) continue;
      QUIRE_ASSIGN(node, combine(node, true, grammar_.literal(spell(*decimal)), path + "/not"));
    }
    return node;
  }
  if (find_member(schema, "multipleOf") != nullptr) return multiples(schema, integer, path);
  QUIRE_ASSIGN(const Bounds bounds, bounds_of(schema, path));
  if (!bounds.min && !bounds.max) return integer ? values_.integer() : values_.number();
  return integer ? values_.integer_between(wanted(bounds)) : values_.number_between(wanted(bounds));
}

}  // namespace quire::grammar
