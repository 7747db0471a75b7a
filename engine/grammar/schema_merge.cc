// The conjunction of two schemas as one schema, keyword by keyword.
#include <algorithm>

#include "engine/grammar/decimal.h"
#include "engine/grammar/schema_scalars.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kBranchesMax = 64;

bool is_trivial(const Json& schema) {
  return schema == Json(true) || (schema.is_object() && schema.empty());
}

Json both(const Json& a, const Json& b) { return all_of({a, b}); }

// What speaks of all properties at once, and can only be read together.
constexpr const char* kShape[] = {"properties", "patternProperties", "additionalProperties"};
constexpr std::string_view kLists[] = {kMorePatterns, kNotPatterns, kExcept, kFraction,
                                       kMoreShapes,   kContains,    kAlso};
constexpr const char* kContainment[] = {"contains", "minContains", "maxContains"};

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
      const bool list = std::find(std::begin(kLists), std::end(kLists), key) != std::end(kLists);
      const Json* present = find_member(list ? out_ : a_, key);
      if (present == nullptr) {
        out_[key] = value;
      } else if (list) {
        unite(key, value);
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
    if (key == "required" && a.is_array() && b.is_array()) {
      unite(key, b);
      return {};
    }
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
    if (key == "anyOf" && a.is_array() && b.is_array() && a.size() * b.size() <= kBranchesMax) {
      return branches(a, b);
    }
    // A choice of the one side, then of the other.
    for (const char* choice : {"anyOf", "oneOf", "dependentSchemas", "dependentRequired"}) {
      if (key == choice) {
        out_[kAlso].push_back({{key, b}});
        return {};
      }
    }
    if (key == "format" && b.is_string()) {
      const std::string_view known = format_pattern(b.get<std::string>());
      if (known.empty()) return contest(key);
      if (known != kAnyText) out_[kMorePatterns].push_back(known);
      return {};
    }
    return contest(key);
  }

  void unite(const std::string& key, const Json& b) {
    Json& all = out_[key];
    for (const Json& value : b) {
      if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
    }
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
      if (std::any_of(b.begin(), b.end(),
                      [&](const Json& one) { return same_value(one, value); })) {
        common.push_back(value);
      }
    }
    out_["enum"] = std::move(common);
    return {};
  }

  Status numbers(const std::string& key, const Json& a, const Json& b) {
    if (key == "multipleOf") {
      const auto x = decimal_of(dump_json(a)), y = decimal_of(dump_json(b));
      const auto common = x && y ? common_multiple(*x, *y) : std::nullopt;
      if (!common) return contest(key);
      QUIRE_ASSIGN(out_[key], parse_json(spell(*common)));
      return {};
    }
    const bool lower = key.starts_with("min") || key == "exclusiveMinimum";
    const bool upper = key.starts_with("max") || key == "exclusiveMaximum";
    if (!lower && !upper) return contest(key);
    const auto x = decimal_of(dump_json(a)), y = decimal_of(dump_json(b));
    const bool above = x && y ? compare(*x, *y) > 0 : a.get<double>() > b.get<double>();
    out_[key] = above == lower ? a : b;
    return {};
  }

  Status branches(const Json& a, const Json& b) {
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
    const auto speaks = [](const Json& schema) {
      return std::any_of(std::begin(kShape), std::end(kShape),
                         [&](const char* key) { return schema.contains(key); });
    };
    if (!speaks(b_)) return {};
    const bool patterns = a_.contains("patternProperties") || b_.contains("patternProperties");
    if (patterns) {
      Json shape = Json::object();
      for (const char* key : kShape) {
        if (const Json* part = find_member(b_, key)) (speaks(a_) ? shape : out_)[key] = *part;
      }
      if (!shape.empty()) out_[kMoreShapes].push_back(std::move(shape));
      return {};
    }
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
  Json containment = Json::object();
  for (const char* key : kContainment) {
    if (const Json* part = find_member(schema, key)) containment[key] = *part;
    schema.erase(key);
  }
  if (containment.contains("contains")) schema[kContains].push_back(std::move(containment));
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
    if (list != nullptr && std::none_of(list->begin(), list->end(), [&](const Json& one) {
          return same_value(one, only[0]);
        })) {
      only = Json::array();
    }
    (*side)["enum"] = std::move(only);
  }
  return Merger(first, second, path).run();
}

// A reference to itself is refused by its depth.
Result<Json> plain_schema(const Json& root, const Json& schema, const std::string& path) {
  Json out = schema;
  for (int hops = 0; hops < 64; ++hops) {
    if (!out.is_object()) return out;
    if (out.contains("unevaluatedProperties") || out.contains("unevaluatedItems")) {
      QUIRE_ASSIGN(out, without_unevaluated(root, out, path));
      continue;
    }
    if (!out.contains("$ref") && !out.contains("allOf")) return out;
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
