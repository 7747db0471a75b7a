// The conjunction of two schemas as one schema, keyword by keyword.
#include <algorithm>
#include <cmath>

#include "engine/grammar/schema_scalars.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kBranchesMax = 64;

bool is_trivial(const Json& schema) {
  return schema == Json(true) || (schema.is_object() && schema.empty());
}

Json both(const Json& a, const Json& b) {
  if (is_trivial(a) || a == b) return b;
  if (is_trivial(b)) return a;
  return {{"allOf", Json::array({a, b})}};
}

Json as_list(const Json& value) { return value.is_array() ? value : Json::array({value}); }

class Merger {
 public:
  Merger(const Json& a, const Json& b, std::string path)
      : a_(a), b_(b), path_(std::move(path)), out_(a) {}

  Result<Json> run() {
    const Json* type = find_member(a_, "type");
    const Json* other_type = find_member(b_, "type");
    if (type != nullptr && other_type != nullptr) {
      QUIRE_TRY(types(*type, *other_type));
      if (out_["type"].empty()) return Json(false);
    }
    for (const char* key : {"$defs", "definitions"}) out_.erase(key);
    QUIRE_TRY(properties());
    QUIRE_TRY(elements());
    for (const auto& [key, value] : b_.items()) {
      if (is_annotation(key) || is_structural(key)) continue;
      const Json* present = find_member(a_, key);
      if (present == nullptr) {
        out_[key] = value;
      } else if (*present != value) {
        QUIRE_TRY(merge(key, *present, value));
      }
    }
    return std::move(out_);
  }

 private:
  static bool is_structural(std::string_view key) {
    return key == "properties" || key == "additionalProperties" || key == "patternProperties" ||
           key == "items" || key == "prefixItems";
  }

  Status contest(const std::string& key) const {
    return schema_error(path_ + "/" + key, "stands in two branches with other values");
  }

  Status merge(const std::string& key, const Json& a, const Json& b) {
    if (key == "required" && a.is_array() && b.is_array()) return unite(key, a, b);
    if (key == kMorePatterns || key == kNotPatterns || key == kExcept) return unite(key, a, b);
    if (key == "type") return types(a, b);
    if (key == "enum" && a.is_array() && b.is_array()) return values(a, b);
    if (key == "const") {
      out_["enum"] = Json::array();
      return {};
    }
    if (a.is_number() && b.is_number()) return numbers(key, a, b);
    if (key == "pattern") {
      out_[kMorePatterns].push_back(b);
      return {};
    }
    if (key == "uniqueItems") {
      out_[key] = true;
      return {};
    }
    if (key == "propertyNames") {
      out_[key] = both(a, b);
      return {};
    }
    if (key == "not") {
      out_[key] = {{"anyOf", Json::array({a, b})}};
      return {};
    }
    if (key == "anyOf" && a.is_array() && b.is_array()) return branches(a, b);
    if (key == "dependentRequired" && a.is_object() && b.is_object()) {
      for (const auto& [name, list] : b.items()) {
        for (const Json& needed : list) out_[key][name].push_back(needed);
      }
      return {};
    }
    return contest(key);
  }

  Status unite(const std::string& key, const Json& a, const Json& b) {
    Json all = a;
    for (const Json& value : b) {
      if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
    }
    out_[key] = std::move(all);
    return {};
  }

  Status types(const Json& a, const Json& b) {
    Json common = Json::array();
    const Json first = as_list(a), second = as_list(b);
    const auto has = [](const Json& list, const char* name) {
      return std::find(list.begin(), list.end(), Json(name)) != list.end();
    };
    for (const Json& type : first) {
      if (std::find(second.begin(), second.end(), type) != second.end()) common.push_back(type);
    }
    const bool integer = (has(first, "integer") && has(second, "number")) ||
                         (has(first, "number") && has(second, "integer"));
    if (integer && !has(common, "number") && !has(common, "integer")) common.push_back("integer");
    out_["type"] = common;
    return {};
  }

  Status values(const Json& a, const Json& b) {
    Json common = Json::array();
    for (const Json& value : a) {
      if (std::find(b.begin(), b.end(), value) != b.end()) common.push_back(value);
    }
    out_["enum"] = std::move(common);
    return {};
  }

  Status numbers(const std::string& key, const Json& a, const Json& b) {
    if (key == "multipleOf") {
      const double x = a.get<double>(), y = b.get<double>();
      if (std::fmod(x, y) != 0 && std::fmod(y, x) != 0) return contest(key);
      out_[key] = x > y ? a : b;
      return {};
    }
    const bool lower = key.starts_with("min") || key == "exclusiveMinimum";
    const bool upper = key.starts_with("max") || key == "exclusiveMaximum";
    if (!lower && !upper) return contest(key);
    out_[key] = (a.get<double>() > b.get<double>()) == lower ? a : b;
    return {};
  }

  Status branches(const Json& a, const Json& b) {
    if (a.size() * b.size() > kBranchesMax) return contest("anyOf");
    Json all = Json::array();
    for (const Json& x : a) {
      for (const Json& y : b) all.push_back(both(x, y));
    }
    out_["anyOf"] = std::move(all);
    return {};
  }

  // What a side says of a property that it does not list.
  static Json other_property(const Json& schema) {
    const Json* additional = find_member(schema, "additionalProperties");
    return additional != nullptr ? *additional : Json(true);
  }

  Status properties() {
    const bool a_patterns = a_.contains("patternProperties");
    const bool b_patterns = b_.contains("patternProperties");
    const auto speaks = [](const Json& schema) {
      return schema.contains("properties") || schema.contains("additionalProperties") ||
             schema.contains("patternProperties");
    };
    if ((a_patterns && speaks(b_)) || (b_patterns && speaks(a_))) {
      if (a_patterns != b_patterns || a_["patternProperties"] != b_["patternProperties"]) {
        return contest("patternProperties");
      }
    }
    if (b_patterns) out_["patternProperties"] = b_["patternProperties"];
    if (!speaks(b_)) return {};
    Json all = Json::object();
    const auto add = [&](const Json& mine, const Json& theirs) {
      const Json* listed = find_member(mine, "properties");
      if (listed == nullptr || !listed->is_object()) return;
      const Json* others = find_member(theirs, "properties");
      for (const auto& [name, schema] : listed->items()) {
        const Json* other = others != nullptr ? find_member(*others, name) : nullptr;
        if (!all.contains(name)) {
          all[name] = both(schema, other != nullptr ? *other : other_property(theirs));
        }
      }
    };
    add(a_, b_);
    add(b_, a_);
    if (!all.empty()) out_["properties"] = std::move(all);
    const Json additional = both(other_property(a_), other_property(b_));
    if (!is_trivial(additional)) out_["additionalProperties"] = additional;
    return {};
  }

  Status elements() {
    const auto at = [](const Json& schema, std::size_t i) {
      const Json* prefix = find_member(schema, "prefixItems");
      if (prefix != nullptr && prefix->is_array() && i < prefix->size()) return (*prefix)[i];
      const Json* items = find_member(schema, "items");
      return items != nullptr ? *items : Json(true);
    };
    std::size_t count = 0;
    for (const Json* side : {&a_, &b_}) {
      const Json* prefix = find_member(*side, "prefixItems");
      if (prefix != nullptr && prefix->is_array()) count = std::max(count, prefix->size());
    }
    Json prefix = Json::array();
    for (std::size_t i = 0; i < count; ++i) prefix.push_back(both(at(a_, i), at(b_, i)));
    if (count > 0) out_["prefixItems"] = std::move(prefix);
    const Json rest = both(at(a_, count), at(b_, count));
    if (!is_trivial(rest)) out_["items"] = rest;
    return {};
  }

  const Json& a_;
  const Json& b_;
  std::string path_;
  Json out_;
};

// Keywords that others of the same schema give a meaning, said without them.
Result<Json> alone(const Json& root, Json schema, const std::string& path) {
  if (!schema.is_object()) return schema;
  if (schema.contains("if")) {
    QUIRE_ASSIGN(schema, without_if(root, schema, path));
  } else {
    schema.erase("then");
    schema.erase("else");
  }
  if (!schema.contains("contains")) {
    schema.erase("minContains");
    schema.erase("maxContains");
  } else if (!schema.contains("minContains")) {
    schema["minContains"] = 1;
  }
  return schema;
}

}  // namespace

Result<Json> merge_schemas(const Json& root, const Json& a_in, const Json& b_in,
                           const std::string& path) {
  QUIRE_ASSIGN(Json a, plain_schema(root, a_in, path));
  QUIRE_ASSIGN(Json b, plain_schema(root, b_in, path));
  QUIRE_TRY(check_shape(a, path));
  QUIRE_TRY(check_shape(b, path));
  QUIRE_ASSIGN(a, alone(root, std::move(a), path));
  QUIRE_ASSIGN(b, alone(root, std::move(b), path));
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  Json first = a, second = b;
  for (Json* side : {&first, &second}) {
    // const is an enum of one, so that the two can meet.
    if (!side->contains("const")) continue;
    Json only = Json::array({(*side)["const"]});
    side->erase("const");
    const Json* list = find_member(*side, "enum");
    if (list != nullptr && std::find(list->begin(), list->end(), only[0]) == list->end()) {
      only = Json::array();
    }
    (*side)["enum"] = std::move(only);
  }
  return Merger(first, second, path).run();
}

// Without $ref and allOf at its top; a reference to itself is refused by its depth.
Result<Json> plain_schema(const Json& root, const Json& schema, const std::string& path) {
  Json out = schema;
  for (int hops = 0; hops < 64; ++hops) {
    if (!out.is_object() || !(out.contains("$ref") || out.contains("allOf"))) return out;
    Json rest = out;
    rest.erase("$ref");
    rest.erase("allOf");
    for (auto it = rest.begin(); it != rest.end();) {
      it = is_annotation(it.key()) ? rest.erase(it) : std::next(it);
    }
    if (out.contains("$ref")) {
      QUIRE_ASSIGN(const std::string target, json_string(out["$ref"], path + "/$ref"));
      QUIRE_ASSIGN(const Json* found, resolve_pointer(root, target, path));
      if (out.contains("allOf")) rest["allOf"] = out["allOf"];
      if (rest.empty()) {
        out = *found;
        continue;
      }
      QUIRE_ASSIGN(out, merge_schemas(root, *found, rest, path));
      continue;
    }
    const Json branches = out["allOf"];
    if (!branches.is_array()) return schema_error(path + "/allOf", "must be an array");
    out = rest;
    for (std::size_t i = 0; i < branches.size(); ++i) {
      QUIRE_ASSIGN(out, merge_schemas(root, out, branches[i], fmt::format("{}/allOf/{}", path, i)));
    }
  }
  return schema_error(path, "references nest deeper than 64");
}

}  // namespace quire::grammar
