// What a schema does not allow, as a choice of schemas: for `not`, `oneOf` and `if`.
#include <algorithm>

#include "engine/grammar/schema_scalars.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kAlternativesMax = 32;
constexpr int kStepsMax = 1000;

// Keywords whose opposite no grammar has. A choice without them is narrower, never wrong.
constexpr std::string_view kOneWay[] = {
    "format",        "uniqueItems",          "multipleOf",
    "propertyNames", "patternProperties",    "unevaluatedItems",
    "dependencies",  "additionalProperties", "$dynamicRef",
    "$recursiveRef", "additionalItems",      "unevaluatedProperties"};

// A keyword about values of one type, and the one that says the opposite: of the limit itself, or
// of the next count.
struct Limit {
  std::string_view keyword, opposite, type;
  int step;
};
constexpr Limit kLimits[] = {{"minimum", "exclusiveMaximum", "number", 0},
                             {"maximum", "exclusiveMinimum", "number", 0},
                             {"exclusiveMinimum", "maximum", "number", 0},
                             {"exclusiveMaximum", "minimum", "number", 0},
                             {"minLength", "maxLength", "string", -1},
                             {"maxLength", "minLength", "string", 1},
                             {"minItems", "maxItems", "array", -1},
                             {"maxItems", "minItems", "array", 1},
                             {"minProperties", "maxProperties", "object", -1},
                             {"maxProperties", "minProperties", "object", 1}};

bool holds(const auto& list, const auto& value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

class Negation {
 public:
  // `steps` counts the schemas gone through.
  Negation(const Json& root, int& steps) : root_(root), steps_(steps) {}

  // Values that `schema` refuses; every value that one of them allows is such a one.
  Result<Json> run(const Json& schema, const std::string& path, int depth) {
    if (depth > kDepthMax) return schema_error(path, "cannot be enforced: references too deep");
    if (++steps_ > kStepsMax) return schema_error(path, "cannot be enforced: too many parts");
    QUIRE_TRY(check_shape(schema, path));
    if (schema.is_boolean()) return schema.get<bool>() ? Json::array() : Json::array({true});
    Negation inner(root_, steps_);
    for (const auto& [key, value] : schema.items()) {
      QUIRE_TRY(inner.add(key, value, schema, path, depth));
    }
    if (inner.alternatives_.size() > kAlternativesMax) {
      return schema_error(path, "cannot be enforced: more than {} ways", kAlternativesMax);
    }
    const bool only_type =
        inner.alternatives_.empty() || (schema.size() == 2 && schema.contains("type"));
    if (only_type && !inner.one_way_.empty()) {
      return schema_error(path + "/" + inner.one_way_, "cannot be enforced");
    }
    return std::move(inner.alternatives_);
  }

 private:
  void also(Json alternative) { alternatives_.push_back(std::move(alternative)); }
  Status also_not(const Json& schema, const std::string& path, int depth) {
    QUIRE_ASSIGN(const Json more, run(schema, path, depth + 1));
    for (const Json& one : more) also(one);
    return {};
  }

  // What the keyword alone refuses.
  Status add(const std::string& key, const Json& value, const Json& schema, const std::string& path,
             int depth) {
    const std::string here = path + "/" + key;
    if (const auto limit = std::find_if(std::begin(kLimits), std::end(kLimits),
                                        [&](const Limit& one) { return one.keyword == key; });
        limit != std::end(kLimits)) {
      return beyond(*limit, value, here);
    }
    if (key == "$ref") {
      QUIRE_ASSIGN(const std::string target, json_string(value, here));
      QUIRE_ASSIGN(const Json* found, resolve_pointer(root_, target, path));
      return also_not(*found, target, depth);
    }
    if (key == "not") {
      also(value);
    } else if (key == "allOf" && value.is_array()) {
      for (const Json& branch : value) QUIRE_TRY(also_not(branch, here, depth));
    } else if (key == "anyOf" && value.is_array()) {
      return none_of(value, here, depth);
    } else if (key == "const" || key == "enum") {
      return other_values(key == "const" ? Json::array({value}) : value, here);
    } else if (key == "type") {
      return other_types(schema, path);
    } else if (key == "required" && value.is_array()) {
      for (const Json& name : value) {
        QUIRE_ASSIGN(const std::string text, json_string(name, here));
        also({{"type", "object"}, {"properties", {{text, false}}}});
      }
    } else if (key == "properties") {
      for (const auto& [name, property] : value.items()) {
        QUIRE_TRY(other_property(name, property, here, depth));
      }
    } else if (key == "oneOf" && value.is_array()) {
      return none_or_two(value, here, depth);
    } else if (key == "if") {
      return other_way(schema, path, depth);
    } else if (key == "dependentRequired" || key == "dependentSchemas") {
      return unmet(value, here, depth);
    } else if (key == "contains") {
      return other_counts(schema, here);
    } else if (key == "prefixItems" && value.is_array()) {
      return other_elements(value, here, depth);
    } else if (key == "pattern") {
      also({{"type", "string"}, {kNotPatterns, Json::array({value})}});
    } else if (key == "items" && !schema.contains("prefixItems")) {
      QUIRE_ASSIGN(const Json others, run(value, here, depth + 1));
      if (!others.empty()) also({{"type", "array"}, {"contains", {{"anyOf", others}}}});
    } else if (holds(kOneWay, key) || key == "items") {
      one_way_ = key;
    }
    return {};
  }

  Status beyond(const Limit& limit, const Json& value, const std::string& here) {
    if (!value.is_number()) return schema_error(here, "must be a number");
    Json opposite = value;
    if (limit.step != 0) {
      QUIRE_ASSIGN(const std::int64_t count, json_integer(value, here, 0, 1'000'000'000));
      if (count + limit.step < 0) return {};
      opposite = count + limit.step;
    }
    also({{"type", std::string(limit.type)}, {std::string(limit.opposite), opposite}});
    return {};
  }

  Status none_of(const Json& branches, const std::string& here, int depth) {
    Json all = Json::array();
    for (const Json& branch : branches) {
      QUIRE_ASSIGN(const Json others, run(branch, here, depth + 1));
      if (others.empty()) return {};
      all.push_back(others.size() == 1 ? others[0] : Json{{"anyOf", others}});
    }
    also({{"allOf", std::move(all)}});
    return {};
  }

  Status none_or_two(const Json& branches, const std::string& here, int depth) {
    QUIRE_TRY(none_of(branches, here, depth));
    for (std::size_t i = 0; i < branches.size(); ++i) {
      for (std::size_t j = i + 1; j < branches.size(); ++j) {
        also({{"allOf", Json::array({branches[i], branches[j]})}});
      }
    }
    return {};
  }

  // What meets the condition but not `then`, and what meets neither the condition nor `else`.
  Status other_way(const Json& schema, const std::string& path, int depth) {
    const auto with = [&](const Json& condition, const char* key) -> Status {
      const Json* consequence = find_member(schema, key);
      if (consequence == nullptr) return {};
      QUIRE_ASSIGN(const Json others, run(*consequence, path + "/" + key, depth + 1));
      for (const Json& one : others) also({{"allOf", Json::array({condition, one})}});
      return {};
    };
    QUIRE_TRY(with(schema["if"], "then"));
    if (!schema.contains("else")) return {};
    QUIRE_ASSIGN(const Json unmet_if, run(schema["if"], path + "/if", depth + 1));
    for (const Json& one : unmet_if) QUIRE_TRY(with(one, "else"));
    return {};
  }

  Status unmet(const Json& conditions, const std::string& here, int depth) {
    for (const auto& [name, needed] : conditions.items()) {
      const Json consequence = needed.is_array() ? Json{{"required", needed}} : needed;
      QUIRE_ASSIGN(const Json others, run(consequence, here + "/" + name, depth + 1));
      const Json present = {{"type", "object"}, {"required", Json::array({name})}};
      for (const Json& one : others) also({{"allOf", Json::array({present, one})}});
    }
    return {};
  }

  Status other_counts(const Json& schema, const std::string& here) {
    const auto counted = [&](std::int64_t min, std::int64_t max) {
      Json out = {{"type", "array"}, {"contains", schema["contains"]}, {"minContains", min}};
      if (max >= 0) out["maxContains"] = max;
      also(std::move(out));
    };
    std::int64_t min = 1;
    if (const Json* count = find_member(schema, "minContains")) {
      QUIRE_ASSIGN(min, json_integer(*count, here, 0, 1'000'000'000));
    }
    if (min > 0) counted(0, min - 1);
    if (const Json* count = find_member(schema, "maxContains")) {
      QUIRE_ASSIGN(const std::int64_t max, json_integer(*count, here, 0, 1'000'000'000));
      counted(max + 1, -1);
    }
    return {};
  }

  Status other_elements(const Json& prefix, const std::string& here, int depth) {
    for (std::size_t i = 0; i < prefix.size(); ++i) {
      QUIRE_ASSIGN(const Json others, run(prefix[i], here, depth + 1));
      if (others.empty()) continue;
      Json places = std::vector<Json>(i, true);
      places.push_back({{"anyOf", others}});
      also({{"type", "array"}, {"minItems", i + 1}, {"prefixItems", std::move(places)}});
    }
    return {};
  }

  Status other_values(const Json& values, const std::string& here) {
    if (!values.is_array()) return schema_error(here, "must be an array");
    for (const Json& value : values) {
      if (value.is_structured()) {
        return schema_error(here, "the opposite of {} cannot be enforced", value.type_name());
      }
    }
    also({{kExcept, values}});
    return {};
  }

  Status other_types(const Json& schema, const std::string& path) {
    QUIRE_ASSIGN(const std::vector<std::string> without, types_of(schema, path));
    QUIRE_ASSIGN(const std::vector<std::string> all, types_of(Json::object(), path));
    Json rest = Json::array();
    for (const std::string& type : all) {
      const bool taken = holds(without, type) || (type == "number" && holds(without, "integer"));
      if (!taken) rest.push_back(type);
    }
    if (!rest.empty()) also({{"type", std::move(rest)}});
    if (holds(without, "integer") && !holds(without, "number")) {
      also({{"type", "number"}, {kFraction, Json::array({true})}});
    }
    return {};
  }

  Status other_property(const std::string& name, const Json& property, const std::string& here,
                        int depth) {
    QUIRE_ASSIGN(const Json others, run(property, here + "/" + name, depth + 1));
    if (others.empty()) return {};
    const Json other = others.size() == 1 ? others[0] : Json{{"anyOf", others}};
    also({{"type", "object"}, {"required", Json::array({name})}, {"properties", {{name, other}}}});
    return {};
  }

  const Json& root_;
  int& steps_;
  Json alternatives_ = Json::array();
  std::string one_way_;  // a keyword without an opposite
};

Json conjunction(std::initializer_list<Json> all) {
  Json list = Json::array();
  for (const Json& one : all) list.push_back(one);
  return {{"allOf", std::move(list)}};
}

}  // namespace

Result<Json> negation_of(const Json& root, const Json& schema, const std::string& path) {
  int steps = 0;
  QUIRE_ASSIGN(Json others, Negation(root, steps).run(schema, path, 0));
  if (others.empty()) return Json(false);
  if (others.size() == 1) return std::move(others[0]);
  return Json{{"anyOf", std::move(others)}};
}

Result<Json> without_not(const Json& root, const Json& schema, const std::string& path) {
  Json rest = schema;
  rest.erase("not");
  QUIRE_ASSIGN(Json others, negation_of(root, schema["not"], path + "/not"));
  return conjunction({std::move(rest), std::move(others)});
}

Result<Json> without_if(const Json& root, const Json& schema, const std::string& path) {
  Json rest = schema;
  for (const char* key : {"if", "then", "else"}) rest.erase(key);
  const Json* then_in = find_member(schema, "then");
  const Json* else_in = find_member(schema, "else");
  if (then_in == nullptr && else_in == nullptr) return rest;
  QUIRE_ASSIGN(const Json others, negation_of(root, schema["if"], path + "/if"));
  const Json then = then_in != nullptr ? *then_in : Json(true);
  const Json otherwise = else_in != nullptr ? *else_in : Json(true);
  Json branches = Json::array();
  branches.push_back(conjunction({rest, schema["if"], then}));
  branches.push_back(conjunction({rest, others, otherwise}));
  return Json{{"anyOf", std::move(branches)}};
}

}  // namespace quire::grammar
