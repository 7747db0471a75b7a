// Reading of JSON Schema keywords (draft 2020-12).
#include "engine/grammar/schema_text.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/grammar/uri.h"

namespace quire::grammar {
namespace {

constexpr std::string_view kAnnotations[] = {
    "title",         "description",   "default",         "examples",
    "$comment",      "deprecated",    "readOnly",        "writeOnly",
    "$schema",       "$defs",         "contentEncoding", "definitions",
    "$id",           "$anchor",       "$vocabulary",     "contentMediaType",
    "contentSchema", "$dynamicAnchor"};

constexpr std::string_view kUnenforceable[] = {"dependencies", "$recursiveRef", "additionalItems"};

constexpr std::array<const char*, 6> kTypes = {"object", "array",   "string",
                                               "number", "boolean", "null"};

std::string unescape_pointer(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      out += token[++i] == '1' ? '/' : '~';
    } else {
      out += token[i];
    }
  }
  return out;
}

// Follows $ref chains of the branch itself.
const Json* dereference(const Json& root, const Json* schema) {
  for (int hops = 0; hops < 64; ++hops) {
    const Json* reference = find_member(*schema, "$ref");
    if (reference == nullptr || !reference->is_string()) return schema;
    const auto target = resolve_pointer(root, reference->get<std::string>(), "");
    if (!target) return schema;
    schema = *target;
  }
  return schema;
}

// The values that const or enum leave, empty when neither stands.
std::vector<Json> constants_of(const Json& schema) {
  if (const Json* only = find_member(schema, "const")) return {*only};
  const Json* list = find_member(schema, "enum");
  if (list == nullptr || !list->is_array()) return {};
  return std::vector<Json>(list->begin(), list->end());
}

bool no_common(const std::vector<Json>& a, const std::vector<Json>& b) {
  return std::none_of(a.begin(), a.end(), [&](const Json& value) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Json& other) { return same_value(value, other); });
  });
}

bool requires_property(const Json& schema, const std::string& name) {
  const Json* required = find_member(schema, "required");
  return required != nullptr && required->is_array() &&
         std::find(required->begin(), required->end(), Json(name)) != required->end();
}

// `closed` does not allow a property that `other` demands.
bool lacks_required(const Json& closed, const Json& other) {
  const Json* additional = find_member(closed, "additionalProperties");
  const Json* required = find_member(other, "required");
  if (additional == nullptr || *additional != Json(false) || closed.contains("patternProperties") ||
      required == nullptr || !required->is_array()) {
    return false;
  }
  const Json* properties = find_member(closed, "properties");
  return std::any_of(required->begin(), required->end(), [&](const Json& name) {
    return name.is_string() &&
           (properties == nullptr || find_member(*properties, name.get<std::string>()) == nullptr);
  });
}

bool disjoint(const Json& root, const Json& a_in, const Json& b_in) {
  const Json& a = *dereference(root, &a_in);
  const Json& b = *dereference(root, &b_in);
  if (!a.is_object() || !b.is_object()) return false;
  const std::vector<Json> a_values = constants_of(a), b_values = constants_of(b);
  if (!a_values.empty() && !b_values.empty()) return no_common(a_values, b_values);
  const auto a_types = types_of(a, ""), b_types = types_of(b, "");
  if (a_types && b_types) {
    const auto covers = [](const std::vector<std::string>& types, const std::string& type) {
      return std::find(types.begin(), types.end(), type) != types.end() ||
             (type == "integer" &&
              std::find(types.begin(), types.end(), "number") != types.end()) ||
             (type == "number" && std::find(types.begin(), types.end(), "integer") != types.end());
    };
    if (std::none_of(a_types->begin(), a_types->end(),
                     [&](const std::string& type) { return covers(*b_types, type); })) {
      return true;
    }
    if (*a_types != std::vector<std::string>{"object"} || *b_types != *a_types) return false;
  }
  if (lacks_required(a, b) || lacks_required(b, a)) return true;
  const Json* a_properties = find_member(a, "properties");
  const Json* b_properties = find_member(b, "properties");
  if (a_properties == nullptr || b_properties == nullptr) return false;
  for (const auto& [name, property] : a_properties->items()) {
    const Json* other = find_member(*b_properties, name);
    if (other == nullptr || !requires_property(a, name) || !requires_property(b, name)) continue;
    const std::vector<Json> mine = constants_of(*dereference(root, &property)),
                            theirs = constants_of(*dereference(root, other));
    if (!mine.empty() && !theirs.empty() && no_common(mine, theirs)) return true;
  }
  return false;
}

// A property that tells object branches apart by constants wherever it stands; empty: none does.
std::string discriminator_of(const Json& root, const std::vector<Json>& branches) {
  const auto values_at = [&](const Json& branch, const std::string& name) {
    const Json& schema = *dereference(root, &branch);
    const Json* type = find_member(schema, "type");
    const Json* properties = find_member(schema, "properties");
    if (type == nullptr || *type != "object" || properties == nullptr) return std::vector<Json>();
    const Json* property = find_member(*properties, name);
    return property == nullptr ? std::vector<Json>() : constants_of(*dereference(root, property));
  };
  const Json* properties = find_member(*dereference(root, &branches.front()), "properties");
  if (properties == nullptr) return {};
  for (const auto& [name, property] : properties->items()) {
    bool tells = true;
    std::vector<Json> seen;
    for (const Json& branch : branches) {
      const std::vector<Json> values = values_at(branch, name);
      tells = tells && !values.empty() && no_common(values, seen);
      seen.insert(seen.end(), values.begin(), values.end());
    }
    if (tells) return name;
  }
  return {};
}

}  // namespace

bool is_annotation(std::string_view key) {
  return std::find(std::begin(kAnnotations), std::end(kAnnotations), key) != std::end(kAnnotations);
}

bool same_value(const Json& a, const Json& b) {
  if (!a.is_structured() && !b.is_structured()) return a == b;
  return nlohmann::json(a) == nlohmann::json(b);  // which sorts the members
}

std::string key_of(const Json& schema) {
  std::string key;
  Json::to_msgpack(schema, key);
  return key;
}

Json all_of(std::vector<Json> schemas) {
  Json all = Json::array();
  const auto add = [&](Json& schema) {
    const bool trivial = schema == Json(true) || (schema.is_object() && schema.empty());
    if (trivial || std::find(all.begin(), all.end(), schema) != all.end()) return;
    all.push_back(std::move(schema));
  };
  for (Json& schema : schemas) {
    if (schema == Json(false)) return false;
    const Json* parts = find_member(schema, "allOf");
    if (parts == nullptr || schema.size() > 1 || !parts->is_array()) {
      add(schema);
      continue;
    }
    for (Json& part : schema["allOf"]) add(part);
  }
  if (all.empty()) return true;
  if (all.size() == 1) return std::move(all[0]);
  return {{"allOf", std::move(all)}};
}

Status refuse_unenforceable(const Json& schema, const std::string& path) {
  for (const auto& [key, member] : schema.items()) {
    if (std::find(std::begin(kUnenforceable), std::end(kUnenforceable), key) !=
        std::end(kUnenforceable)) {
      return schema_error(path + "/" + key, "cannot be enforced");
    }
  }
  return {};
}

Status check_shape(const Json& schema, const std::string& path) {
  if (schema.is_boolean()) return {};
  if (!schema.is_object()) return schema_error(path, "a schema is an object or a boolean");
  for (const char* key : {"properties", "patternProperties", "dependentRequired",
                          "dependentSchemas", "$defs", "definitions"}) {
    const Json* member = find_member(schema, key);
    if (member != nullptr && !member->is_object()) {
      return schema_error(path + "/" + key, "must be an object");
    }
  }
  return {};
}

Result<std::vector<std::string>> types_of(const Json& schema, const std::string& path) {
  const Json* type = find_member(schema, "type");
  if (type == nullptr) return std::vector<std::string>(kTypes.begin(), kTypes.end());
  std::vector<std::string> types;
  const auto add = [&](const Json& name) {
    if (!name.is_string()) return false;
    types.push_back(name.get<std::string>());
    return types.back() == "integer" ||
           std::find(kTypes.begin(), kTypes.end(), types.back()) != kTypes.end();
  };
  bool good = true;
  if (type->is_array()) {
    for (const Json& name : *type) good = good && add(name);
  } else {
    good = add(*type);
  }
  if (!good || types.empty())
    return schema_error(path + "/type", "must be a JSON type or a list of them");
  return types;
}

bool has_type(const Json& value, const std::vector<std::string>& types) {
  return std::any_of(types.begin(), types.end(), [&](const std::string& type) {
    if (type == "integer") {
      return value.is_number_integer() ||
             (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
    }
    if (type == "number") return value.is_number();
    return type == value.type_name();
  });
}

Result<const Json*> resolve_pointer(const Json& root, const std::string& reference,
                                    const std::string& path) {
  if (reference.starts_with(kBrokenReference)) {
    return schema_error(path + "/$ref", "{}", reference.substr(1));
  }
  if (!reference.starts_with('#')) {
    return schema_error(path + "/$ref", "\"{}\" is not in this schema", reference);
  }
  const Json* at = &root;
  std::string_view rest = std::string_view(reference).substr(1);
  while (!rest.empty()) {
    if (rest[0] != '/') return schema_error(path + "/$ref", "\"{}\" names nothing", reference);
    rest.remove_prefix(1);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, slash);
    rest.remove_prefix(slash);
    std::string token = unescape_pointer(unescape_percent(segment));
    // Names that were not escaped as they should be are found as they are.
    if (find_member(*at, token) == nullptr) token = unescape_pointer(segment);
    const Json* next = find_member(*at, token);
    if (next == nullptr && at->is_array() && !token.empty() && token.size() < 6 &&
        token.find_first_not_of("0123456789") == std::string::npos) {
      const auto index = static_cast<std::size_t>(std::stoul(token));
      if (index < at->size()) next = &(*at)[index];
    }
    if (next == nullptr) return schema_error(path + "/$ref", "\"{}\" names nothing", reference);
    at = next;
  }
  return at;
}

Status check_disjoint(const Json& root, const std::vector<Json>& branches,
                      const std::string& path) {
  for (std::size_t i = 0; i < branches.size(); ++i) {
    for (std::size_t j = i + 1; j < branches.size(); ++j) {
      if (!disjoint(root, branches[i], branches[j])) {
        return schema_error(path, "branches {} and {} may overlap: use anyOf", i, j);
      }
    }
  }
  return {};
}

Result<std::vector<Json>> exclusions(const Json& root, const Json& branches,
                                     const std::vector<Json>& whole, const std::string& path) {
  std::vector<Json> out(branches.size(), true);
  const Status apart = check_disjoint(root, whole, path);
  if (apart) return out;
  if (const std::string name = discriminator_of(root, whole); !name.empty()) {
    for (Json& one : out) one = {{"required", Json::array({name})}};
    return out;
  }
  std::vector<Json> others;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    auto other = negation_of(root, branches[i], fmt::format("{}/{}", path, i));
    if (!other) return tl::unexpected<Error>(apart.error());
    others.push_back(std::move(*other));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::vector<Json> all = others;
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    out[i] = all_of(std::move(all));
  }
  return out;
}

// A day of the Gregorian calendar (RFC 3339, full-date), but for the year 0.
#define QUIRE_FULL_DATE                                                       \
  "((\\d{3}[1-9]|\\d{2}[1-9]\\d|\\d[1-9]\\d{2}|[1-9]\\d{3})-"                 \
  "((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|" \
  "02-(0[1-9]|1\\d|2[0-8]))|"                                                 \
  "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][48]|[2468]0|[13579][26])00)-02-29)"

// A UUID of one version (RFC 9562), as pydantic names them.
#define QUIRE_UUID(version)                                                                      \
  "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-" version "[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{" \
                                            "12}$"

std::string_view format_pattern(std::string_view format) {
  static constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
      {"date", "^" QUIRE_FULL_DATE "$"},
      {"time",
       "^([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$"},
      {"date-time", "^" QUIRE_FULL_DATE "T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d"
                    "(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$"},
      {"uuid", "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"},
      {"uuid1", QUIRE_UUID("1")},
      {"uuid3", QUIRE_UUID("3")},
      {"uuid4", QUIRE_UUID("4")},
      {"uuid5", QUIRE_UUID("5")},
      // Said of a text, not of its letters: OpenAPI's and pydantic's.
      {"password", kAnyText},
      {"binary", kAnyText},
      {"path", kAnyText},
      {"file-path", kAnyText},
      {"directory-path", kAnyText},
      {"email",
       "^[A-Za-z0-9_%+-]+(\\.[A-Za-z0-9_%+-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-"
       "z]{2,}$"},
      {"ipv4",
       "^((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)$"},
      {"hostname",
       "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
       ")*$"},
      {"uri", "^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+$"},
      {"duration",
       "^P(\\d+W|(\\d+Y)?(\\d+M)?\\d+D|(\\d+Y)?\\d+M|\\d+Y|((\\d+Y)?(\\d+M)?(\\d+D)?)"
       "T(\\d+S|\\d+M(\\d+S)?|\\d+H(\\d+M(\\d+S)?)?))$"},
      {"idn-email", "^[A-Za-z0-9_%+-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]{2,}$"},
      {"uri-reference", "^[A-Za-z0-9._~/?#@!$&'()*+,;=%-]*$"},
      {"json-pointer", "^(/([^~/]|~[01])*)*$"},
      {"ipv6", "^([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}$"},
  };
  for (const auto& [name, pattern] : kFormats) {
    if (name == format) return pattern;
  }
  return {};
}
#undef QUIRE_FULL_DATE
#undef QUIRE_UUID

}  // namespace quire::grammar
