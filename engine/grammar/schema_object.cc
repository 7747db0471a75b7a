// Objects of a JSON Schema: listed members in their order, then the others by what finds their
// keys.
#include <algorithm>

#include "engine/grammar/product.h"
#include "engine/grammar/schema_compiler.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

// Patterns whose combinations are told apart; with more of them a key that two find is left out.
constexpr std::size_t kPatternsMax = 3;

// The parts of a schema that each speak of all properties: properties, patternProperties and
// additionalProperties, of its own and of those that were merged into it.
std::vector<const Json*> shapes_of(const Json& value) {
  std::vector<const Json*> out = {&value};
  if (const Json* more = find_member(value, kMoreShapes)) {
    for (const Json& shape : *more) out.push_back(&shape);
  }
  return out;
}

Json patterns_of(const Json& value) {
  Json out = Json::array();
  for (const Json* shape : shapes_of(value)) {
    const Json* patterns = find_member(*shape, "patternProperties");
    if (patterns == nullptr) continue;
    for (const auto& [pattern, schema] : patterns->items()) {
      if (std::find(out.begin(), out.end(), Json(pattern)) == out.end()) out.push_back(pattern);
    }
  }
  return out;
}

// What one shape says of a key beside its listed properties; `found` tells of a pattern, and
// `additional` is for a key that nothing else describes.
void add_other(const Json& shape, const Json* additional, const auto& found,
               std::vector<Json>& all) {
  bool any = false;
  if (const Json* patterns = find_member(shape, "patternProperties")) {
    for (const auto& [pattern, schema] : patterns->items()) {
      if (!found(pattern)) continue;
      any = true;
      all.push_back(schema);
    }
  }
  if (!any && additional != nullptr) all.push_back(*additional);
}

}  // namespace

Result<std::set<std::string>> SchemaCompiler::required_names(const Json& value, const Path& path) {
  std::set<std::string> required;
  const Json* list = find_member(value, "required");
  if (list == nullptr) return required;
  if (!list->is_array()) return schema_error(path + "/required", "must be an array of strings");
  for (const Json& name : *list) {
    QUIRE_ASSIGN(const std::string text, json_string(name, path + "/required"));
    required.insert(text);
  }
  return required;
}

// The schema of every name, with what patterns and propertyNames say of it.
Result<Json> SchemaCompiler::described(const Json& value, const Names& names, const Path& path) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back(dump_json(Json(name)));
  std::map<std::string, std::vector<bool>> fits;
  for (const Json& pattern : patterns_of(value)) {
    const auto text = pattern.get<std::string>();
    QUIRE_ASSIGN(const NodeId keys, scalars_.keys({text}, path));
    fits[text] = matches(grammar_, keys, quoted);
  }
  std::vector<bool> allowed(names.size(), true);
  if (const Json* keys = find_member(value, "propertyNames")) {
    QUIRE_ASSIGN(const NodeId node, schema(*keys, path + "/propertyNames", 1));
    allowed = matches(grammar_, node, quoted);
  }
  Json out = Json::object();
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<Json> all;
    for (const Json* shape : shapes_of(value)) {
      const Json* properties = find_member(*shape, "properties");
      const Json* own = properties != nullptr ? find_member(*properties, names[i]) : nullptr;
      if (own != nullptr) all.push_back(*own);
      const Json* additional =
          own == nullptr ? find_member(*shape, "additionalProperties") : nullptr;
      add_other(
          *shape, additional, [&](const std::string& pattern) { return fits.at(pattern)[i]; }, all);
    }
    out[names[i]] = allowed[i] ? all_of(std::move(all)) : Json(false);
  }
  return out;
}

Result<NodeId> SchemaCompiler::object(const Json& value, const Path& path, int depth) {
  QUIRE_ASSIGN(const std::set<std::string> required, required_names(value, path));
  Names names;
  std::set<std::string> seen;
  for (const Json* shape : shapes_of(value)) {
    const Json* properties = find_member(*shape, "properties");
    if (properties == nullptr) continue;
    for (const auto& [name, property] : properties->items()) {
      if (seen.insert(name).second) names.push_back(name);
    }
  }
  for (const Json& one : value.value("required", Json::array())) {
    const auto name = one.get<std::string>();
    if (seen.insert(name).second) names.push_back(name);
  }
  QUIRE_ASSIGN(const Json properties, described(value, names, path));
  std::vector<OrderedMember> members;
  for (const auto& [name, property] : properties.items()) {
    QUIRE_ASSIGN(const NodeId node, schema(property, path + "/properties/" + name, depth + 1));
    members.push_back(
        {member(grammar_.literal(dump_json(Json(name))), node), required.contains(name)});
  }
  QUIRE_ASSIGN(const NodeId extra, additional_members(value, names, path, depth));
  Counts counts;
  QUIRE_ASSIGN(counts.min, read_count(value, "minProperties", 0, path));
  QUIRE_ASSIGN(counts.max, read_count(value, "maxProperties", kUnbounded, path));
  NodeId all = -1;
  if (counts.min == 0 && counts.max == kUnbounded) {
    all = add_ordered(grammar_, members, values_.comma(), extra);
  } else {
    QUIRE_ASSIGN(all, counted(members, extra, counts, path));
  }
  return values_.wrapped('{', all, '}');
}

NodeId SchemaCompiler::member(NodeId key, NodeId value) {
  return grammar_.sequence({key, values_.colon(), value});
}

Result<NodeId> SchemaCompiler::counted(const std::vector<OrderedMember>& members, NodeId extra,
                                       Counts counts, const Path& path) {
  const auto [min, max] = counts;
  // A key that is repeated is one property: of members without a name only the first surely counts.
  if (extra >= 0 && min > static_cast<int>(members.size()) + 1) {
    return schema_error(path + "/minProperties", "{} is more than the listed properties and one",
                        min);
  }
  const int cap = max == kUnbounded ? std::max(min, 1) : std::max(max, 1);
  if (members.size() * static_cast<std::size_t>(cap) > static_cast<std::size_t>(limits_.rules)) {
    return schema_error(path + (max == kUnbounded ? "/minProperties" : "/maxProperties"),
                        "{} of {} listed properties need more than {} rules", cap, members.size(),
                        limits_.rules);
  }
  // behind[c]: what may follow when c members (no less than cap: many) stand before.
  std::vector<NodeId> behind;
  for (int c = 0; c <= cap; ++c) {
    const int missing = std::max(min - c, 0), left = max == kUnbounded ? kUnbounded : max - c;
    if (missing > (extra >= 0 ? 1 : 0) || (left != kUnbounded && left < missing)) {
      behind.push_back(grammar_.choice({}));
    } else if (extra < 0 || left == 0) {
      behind.push_back(grammar_.empty());
    } else if (c == 0) {
      behind.push_back(elements({}, extra, missing, left));
    } else {
      behind.push_back(grammar_.repeat(grammar_.sequence({values_.comma(), extra}), missing, left));
    }
  }
  for (auto it = members.rbegin(); it != members.rend(); ++it) {
    std::vector<NodeId> shared;
    for (const NodeId node : behind) {
      const RuleId rule = grammar_.declare("members");
      grammar_.define(rule, node);
      shared.push_back(grammar_.rule(rule));
    }
    for (int c = 0; c <= cap; ++c) {
      const auto at = static_cast<std::size_t>(c);
      const bool full = max != kUnbounded && c >= max;
      const NodeId next = shared[static_cast<std::size_t>(std::min(c + 1, cap))];
      const NodeId with = full     ? grammar_.choice({})
                          : c == 0 ? grammar_.sequence({it->node, next})
                                   : grammar_.sequence({values_.comma(), it->node, next});
      behind[at] = it->required ? with : grammar_.choice({with, shared[at]});
    }
  }
  return behind[0];
}

// A member that is not listed; -1 when there may be none. Keys are told apart by the patterns that
// find them.
Result<NodeId> SchemaCompiler::additional_members(const Json& value, const Names& names,
                                                  const Path& path, int depth) {
  const Json patterns = patterns_of(value);
  const std::size_t count = patterns.size();
  std::vector<std::vector<bool>> classes = {std::vector<bool>(count, false)};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t before = count <= kPatternsMax ? classes.size() : 1;
    for (std::size_t j = 0; j < before; ++j) {
      classes.push_back(classes[j]);
      classes.back()[i] = true;
    }
  }
  std::vector<NodeId> choices;
  for (const std::vector<bool>& found : classes) {
    std::vector<Json> all;
    const auto finds = [&](const std::string& pattern) {
      const auto at = std::find(patterns.begin(), patterns.end(), Json(pattern));
      return found[static_cast<std::size_t>(at - patterns.begin())];
    };
    for (const Json* shape : shapes_of(value)) {
      add_other(*shape, find_member(*shape, "additionalProperties"), finds, all);
    }
    const Json property = all_of(std::move(all));
    if (property == Json(false)) continue;
    Json keys = {{"type", "string"}};
    Path where = path + "/additionalProperties";
    for (std::size_t i = 0; i < count; ++i) {
      keys[found[i] ? kMorePatterns : kNotPatterns].push_back(patterns[i]);
      if (found[i]) where = path + "/patternProperties/" + patterns[i].get<std::string>();
    }
    QUIRE_ASSIGN(const NodeId node, schema(property, where, depth + 1));
    const auto key = key_node(value, keys, names, path);
    const auto patterns_found = std::count(found.begin(), found.end(), true);
    if (!key && patterns_found > 1) continue;  // too large: such keys are left out
    if (!key) return key;
    choices.push_back(member(*key, node));
  }
  return choices.empty() ? NodeId{-1} : grammar_.choice(std::move(choices));
}

// A key that is none of the names.
Result<NodeId> SchemaCompiler::key_node(const Json& value, Json keys, const Names& names,
                                        const Path& path) {
  if (!names.empty()) keys[kExcept] = names;
  const Json* rule = find_member(value, "propertyNames");
  if (rule != nullptr) {
    QUIRE_ASSIGN(keys, merge_schemas(root_, keys, *rule, path + "/propertyNames"));
  }
  const auto [known, added] = keys_.try_emplace(key_of(keys), -1);
  if (!added && known->second >= 0) return known->second;
  auto node =
      rule == nullptr ? scalars_.string(keys, path) : schema(keys, path + "/propertyNames", 1);
  if (node) known->second = *node;
  return node;
}

}  // namespace quire::grammar
