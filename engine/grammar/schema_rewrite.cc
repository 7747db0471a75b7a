// Keywords that say "not" and "if" as other keywords, where that is possible.
#include <algorithm>

#include "engine/grammar/schema_scalars.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kConditionsMax = 5;  // each doubles the branches

bool is_only(const Json& schema, std::initializer_list<std::string_view> keys) {
  if (!schema.is_object()) return false;
  for (const auto& [key, value] : schema.items()) {
    if (is_annotation(key)) continue;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) return false;
  }
  return true;
}

Json allowed_values(const Json& schema) {
  if (const Json* only = find_member(schema, "const")) return Json::array({*only});
  const Json* list = find_member(schema, "enum");
  return list != nullptr && list->is_array() ? *list : Json(nullptr);
}

Json conjunction(Json a, Json b) { return {{"allOf", Json::array({std::move(a), std::move(b)})}}; }

Status add_negation(const Json& root, const Json& negated_in, const std::string& path, Json& out) {
  QUIRE_ASSIGN(const Json negated, plain_schema(root, negated_in, path));
  if (negated.is_boolean() || negated.empty()) {
    const bool all = !negated.is_boolean() || negated.get<bool>();
    if (all) out["enum"] = Json::array();
    return {};
  }
  if (is_only(negated, {"anyOf"}) && negated["anyOf"].is_array()) {
    for (const Json& branch : negated["anyOf"]) QUIRE_TRY(add_negation(root, branch, path, out));
    return {};
  }
  if (is_only(negated, {"not"})) {
    out = conjunction(std::move(out), negated["not"]);
    return {};
  }
  const Json values = allowed_values(negated);
  if (values.is_array() && is_only(negated, {"const", "enum"})) {
    for (const Json& value : values) {
      if (value.is_structured())
        return schema_error(path, "cannot be enforced for {}", value.type_name());
      out[kExcept].push_back(value);
    }
    return {};
  }
  if (is_only(negated, {"type"})) {
    QUIRE_ASSIGN(const std::vector<std::string> without, types_of(negated, path));
    QUIRE_ASSIGN(const std::vector<std::string> types, types_of(out, path));
    Json rest = Json::array();
    for (const std::string& type : types) {
      const bool taken = std::find(without.begin(), without.end(), type) != without.end();
      const bool number = std::find(without.begin(), without.end(), "number") != without.end();
      if (type == "number" && !taken &&
          std::find(without.begin(), without.end(), "integer") != without.end()) {
        return schema_error(path, "cannot be enforced: numbers that are no integers");
      }
      if (!taken && !(type == "integer" && number)) rest.push_back(type);
    }
    out["type"] = std::move(rest);
    return {};
  }
  if (is_only(negated, {"required"}) && negated["required"].is_array() &&
      negated["required"].size() == 1 && negated["required"][0].is_string()) {
    const Json absent = {{"properties", {{negated["required"][0].get<std::string>(), false}}}};
    out = conjunction(std::move(out), absent);
    return {};
  }
  const bool text = find_member(out, "type") != nullptr && out["type"] == "string";
  if (is_only(negated, {"pattern", "type"}) && negated.contains("pattern") && text) {
    out[kNotPatterns].push_back(negated["pattern"]);
    return {};
  }
  return schema_error(path, "cannot be enforced");
}

}  // namespace

Result<Json> without_not(const Json& root, const Json& schema, const std::string& path) {
  Json out = schema;
  out.erase("not");
  QUIRE_TRY(add_negation(root, schema["not"], path + "/not", out));
  return out;
}

// `if` may look at one property: whether it has one of some values.
Result<Json> without_if(const Json& schema, const std::string& path) {
  Json rest = schema;
  for (const char* key : {"if", "then", "else"}) rest.erase(key);
  const Json& condition = schema["if"];
  const Json* then_in = find_member(schema, "then");
  const Json* else_in = find_member(schema, "else");
  const Json then = then_in != nullptr ? *then_in : Json(true);
  const Json otherwise = else_in != nullptr ? *else_in : Json(true);
  if (condition.is_boolean()) {
    return conjunction(std::move(rest), condition.get<bool>() ? then : otherwise);
  }
  const Json* properties = find_member(condition, "properties");
  if (!is_only(condition, {"properties", "required", "type"}) || properties == nullptr ||
      !properties->is_object() || properties->size() != 1) {
    return schema_error(path + "/if", "is supported for the values of one property only");
  }
  const std::string name = properties->begin().key();
  const Json values = allowed_values(*properties->begin());
  if (!values.is_array() || !is_only(*properties->begin(), {"const", "enum", "type"})) {
    return schema_error(path + "/if", "is supported for const and enum of a property only");
  }
  const Json* required = find_member(condition, "required");
  const bool needs = required != nullptr && required->is_array() && !required->empty();
  const auto with = [&](Json property, bool present, const Json& branch) {
    Json state = {{"properties", {{name, std::move(property)}}}};
    if (present) state["required"] = Json::array({name});
    return Json{{"allOf", Json::array({rest, state, branch})}};
  };
  Json branches = Json::array();
  branches.push_back(with({{"enum", values}}, true, then));
  branches.push_back(with({{"not", {{"enum", values}}}}, true, otherwise));
  branches.push_back(with(false, false, needs ? otherwise : then));
  return Json{{"anyOf", std::move(branches)}};
}

Result<Json> without_dependencies(const Json& schema, const std::string& path) {
  Json rest = schema;
  rest.erase("dependentRequired");
  rest.erase("dependentSchemas");
  Json branches = Json::array({rest});
  std::size_t conditions = 0;
  const auto split = [&](const std::string& name, const Json& consequence) {
    ++conditions;
    Json next = Json::array();
    const Json present = {{"required", Json::array({name})}};
    const Json absent = {{"properties", {{name, false}}}};
    for (const Json& branch : branches) {
      next.push_back({{"allOf", Json::array({branch, present, consequence})}});
      next.push_back({{"allOf", Json::array({branch, absent})}});
    }
    branches = std::move(next);
  };
  for (const char* key : {"dependentRequired", "dependentSchemas"}) {
    const Json* list = find_member(schema, key);
    if (list == nullptr) continue;
    if (!list->is_object()) return schema_error(path + "/" + key, "must be an object");
    if (conditions + list->size() > kConditionsMax) {
      return schema_error(path + "/" + key, "more than {} conditions", kConditionsMax);
    }
    for (const auto& [name, value] : list->items()) {
      split(name, value.is_array() ? Json{{"required", value}} : value);
    }
  }
  return Json{{"anyOf", std::move(branches)}};
}

}  // namespace quire::grammar
