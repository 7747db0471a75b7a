// JSON Schema as a grammar: each schema becomes a rule, each type one alternative of it.
#include <algorithm>
#include <map>
#include <set>

#include "engine/grammar/front_ends.h"
#include "engine/grammar/json_values.h"
#include "engine/grammar/product.h"
#include "engine/grammar/schema_scalars.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

class SchemaCompiler {
 public:
  SchemaCompiler(Grammar& grammar, const Json& root, const GrammarLimits& limits)
      : root_(root),
        limits_(limits),
        grammar_(grammar),
        values_(grammar),
        scalars_(grammar_, values_, limits_) {}

  Result<NodeId> run() {
    QUIRE_ASSIGN(root_, with_local_references(root_));
    return schema(root_, "#", 0);
  }
  void set_space(NodeId space) { values_.set_space(space); }

 private:
  using Path = std::string;

  // Of one schema object.
  Result<NodeId> schema(const Json& value, const Path& path, int depth) {
    if (depth > limits_.depth)
      return schema_error(path, "schemas nest deeper than {}", limits_.depth);
    QUIRE_TRY(check_shape(value, path));
    if (value.is_boolean()) return value.get<bool>() ? values_.any() : grammar_.choice({});
    QUIRE_TRY(refuse_unenforceable(value, path));
    if (value.contains("$ref")) return reference(value, path, depth);
    if (value.contains("allOf")) {
      QUIRE_ASSIGN(const Json merged, plain_schema(root_, value, path));
      return schema(merged, path, depth + 1);
    }
    if (value.contains("not")) {
      QUIRE_ASSIGN(const Json rest, without_not(root_, value, path));
      return schema(rest, path, depth + 1);
    }
    if (value.contains("if")) {
      QUIRE_ASSIGN(const Json rest, without_if(root_, value, path));
      return schema(rest, path, depth + 1);
    }
    if (value.contains("dependentRequired") || value.contains("dependentSchemas")) {
      QUIRE_ASSIGN(const Json rest, without_dependencies(value, path));
      return schema(rest, path, depth + 1);
    }
    for (const char* key : {"anyOf", "oneOf"}) {
      if (value.contains(key)) return one_or_any_of(value, key, path, depth);
    }
    if (value.contains("enum") || value.contains("const")) return constants(value, path, depth);
    std::vector<NodeId> choices;
    QUIRE_ASSIGN(const std::vector<std::string> types, types_of(value, path));
    for (const std::string& type : types) {
      QUIRE_ASSIGN(const NodeId node, of_type(value, type, path, depth));
      choices.push_back(node);
    }
    return grammar_.choice(std::move(choices));
  }

  Result<NodeId> of_type(const Json& value, const std::string& type, const Path& path, int depth) {
    if (type == "object") return object(value, path, depth);
    if (type == "array") return array(value, path, depth);
    if (type == "string") return scalars_.string(value, path);
    if (type == "integer" || type == "number") {
      return scalars_.number(value, type == "integer", path);
    }
    std::vector<NodeId> words;
    const Json all = type == "boolean" ? Json::array({true, false}) : Json::array({nullptr});
    for (const Json& word : all) {
      const Json* except = find_member(value, kExcept);
      const bool taken =
          except != nullptr && std::find(except->begin(), except->end(), word) != except->end();
      if (!taken) words.push_back(values_.literal(word));
    }
    return grammar_.choice(std::move(words));
  }

  // "#/a/b" and "#". Every target becomes one rule, so recursion is a rule that calls itself.
  Result<NodeId> reference(const Json& value, const Path& path, int depth) {
    QUIRE_ASSIGN(const std::string target, json_string(value["$ref"], path + "/$ref"));
    for (const auto& [key, member] : value.items()) {
      if (key == "$ref" || is_annotation(key)) continue;
      QUIRE_ASSIGN(const Json merged, plain_schema(root_, value, path));
      return schema(merged, path, depth + 1);
    }
    if (const auto known = references_.find(target); known != references_.end()) {
      return grammar_.rule(known->second);
    }
    QUIRE_ASSIGN(const Json* schema_at, resolve_pointer(root_, target, path));
    const RuleId rule = grammar_.declare(target);
    references_.emplace(target, rule);
    QUIRE_ASSIGN(const NodeId node, schema(*schema_at, target, depth + 1));
    grammar_.define(rule, node);
    return grammar_.rule(rule);
  }

  Result<NodeId> one_or_any_of(const Json& value, const char* key, const Path& path, int depth) {
    const Json& branches = value[key];
    const Path here = path + "/" + key;
    if (!branches.is_array() || branches.empty())
      return schema_error(here, "must be a non-empty array");
    Json rest = Json::object();
    for (const auto& [name, member] : value.items()) {
      if (name != key && !is_annotation(name)) rest[name] = member;
    }
    std::vector<Json> merged;
    for (const Json& branch : branches) {
      // A lone reference stays one, so that recursion ends in its rule.
      Json both = branch;
      if (!rest.empty()) {
        QUIRE_ASSIGN(both, merge_schemas(root_, rest, branch, here));
      }
      merged.push_back(std::move(both));
    }
    if (std::string_view(key) == "oneOf") QUIRE_TRY(set_apart(rest, branches, here, merged));
    std::vector<NodeId> choices;
    for (std::size_t i = 0; i < merged.size(); ++i) {
      QUIRE_ASSIGN(const NodeId node, schema(merged[i], fmt::format("{}/{}", here, i), depth + 1));
      choices.push_back(node);
    }
    return grammar_.choice(std::move(choices));
  }

  // Branches of oneOf that may overlap: with a property that tells them apart, which is then
  // demanded, or without what the others allow.
  Status set_apart(const Json& rest, const Json& branches, const Path& here,
                   std::vector<Json>& merged) {
    const Status apart = check_disjoint(root_, merged, here);
    if (apart) return {};
    const std::string name = discriminator_of(root_, merged);
    for (Json& branch : merged) {
      if (!name.empty()) branch = {{"allOf", {branch, {{"required", Json::array({name})}}}}};
    }
    if (!name.empty()) return {};
    auto exact = exactly_one(root_, rest, branches, here);
    if (!exact) return apart;
    merged = std::move(*exact);
    return {};
  }

  // The values that the other keywords allow.
  Result<NodeId> constants(const Json& value, const Path& path, int depth) {
    Json allowed = Json::array();
    if (value.contains("const")) allowed.push_back(value["const"]);
    if (value.contains("enum")) {
      if (!value["enum"].is_array()) return schema_error(path + "/enum", "must be an array");
      if (allowed.empty()) allowed = value["enum"];
    }
    Json rest = Json::object();
    bool only_type = true;
    for (const auto& [key, member] : value.items()) {
      if (key == "const" || key == "enum" || is_annotation(key)) continue;
      rest[key] = member;
      only_type = only_type && key == "type";
    }
    QUIRE_ASSIGN(const std::vector<std::string> types, types_of(value, path));
    std::vector<NodeId> choices;
    std::vector<std::string> texts;
    for (const Json& each : allowed) {
      if (!has_type(each, types)) continue;
      if (!only_type && each.is_structured()) {
        return schema_error(path + "/enum", "objects and arrays beside other keywords");
      }
      choices.push_back(values_.literal(each));
      texts.push_back(dump_json(each));
    }
    if (!only_type) {
      QUIRE_ASSIGN(const NodeId node, schema(rest, path, depth + 1));
      const std::vector<bool> fits = matches(grammar_, node, texts);
      std::vector<NodeId> kept;
      for (std::size_t i = 0; i < choices.size(); ++i) {
        if (fits[i]) kept.push_back(choices[i]);
      }
      choices = std::move(kept);
    }
    return grammar_.choice(std::move(choices));
  }

  Result<NodeId> array(const Json& value, const Path& path, int depth) {
    QUIRE_ASSIGN(const int min, read_count(value, "minItems", 0, path));
    QUIRE_ASSIGN(int max, read_count(value, "maxItems", kUnbounded, path));
    std::vector<NodeId> first;
    if (const Json* prefix = find_member(value, "prefixItems")) {
      if (!prefix->is_array()) return schema_error(path + "/prefixItems", "must be an array");
      for (std::size_t i = 0; i < prefix->size(); ++i) {
        QUIRE_ASSIGN(const NodeId node,
                     schema((*prefix)[i], fmt::format("{}/prefixItems/{}", path, i), depth + 1));
        first.push_back(node);
      }
    }
    NodeId rest = values_.any();
    if (const Json* items = find_member(value, "items")) {
      if (items->is_boolean() && !items->get<bool>()) {
        const int limit = static_cast<int>(first.size());
        max = max == kUnbounded ? limit : std::min(max, limit);
      } else {
        QUIRE_ASSIGN(rest, schema(*items, path + "/items", depth + 1));
      }
    }
    if (max != kUnbounded && max < min) return grammar_.choice({});
    if (value.value("uniqueItems", Json(false)) == Json(true) && max != 0 && max != 1) {
      return unique(value, min, max, path);
    }
    if (!value.contains("contains")) {
      return values_.wrapped('[', elements(first, rest, min, max), ']');
    }
    if (!first.empty())
      return schema_error(path + "/contains", "is not supported beside prefixItems");
    // The elements that must be found come first.
    QUIRE_ASSIGN(const int count, read_count(value, "minContains", 1, path));
    const Json* items = find_member(value, "items");
    QUIRE_ASSIGN(const Json wanted, merge_schemas(root_, items != nullptr ? *items : Json(true),
                                                  value["contains"], path + "/contains"));
    QUIRE_ASSIGN(const NodeId found, schema(wanted, path + "/contains", depth + 1));
    first.assign(static_cast<std::size_t>(count), found);
    if (max != kUnbounded && max < count) return grammar_.choice({});
    return values_.wrapped('[', elements(first, rest, std::max(min, count), max), ']');
  }

  // Each of some listed values at most once, in their order.
  Result<NodeId> unique(const Json& value, int min, int max, const Path& path) {
    const Json* items = find_member(value, "items");
    const Json* listed = items != nullptr ? find_member(*items, "enum") : nullptr;
    if (listed == nullptr || !listed->is_array() || value.contains("prefixItems") ||
        value.contains("contains") || listed->size() > static_cast<std::size_t>(kCountMax)) {
      return schema_error(path + "/uniqueItems", "cannot be enforced for items without enum");
    }
    std::vector<OrderedMember> members;
    for (std::size_t i = 0; i < listed->size(); ++i) {
      Json only = *items;
      only["enum"] = Json::array({(*listed)[i]});
      const bool again =
          std::find(listed->begin(), listed->begin() + static_cast<std::ptrdiff_t>(i),
                    (*listed)[i]) != listed->begin() + static_cast<std::ptrdiff_t>(i);
      if (again) continue;
      QUIRE_ASSIGN(const NodeId node, schema(only, path + "/items", 1));
      members.push_back({node, false});
    }
    return values_.wrapped('[', counted(members, min, max), ']');
  }

  // Members in their order, min to max of them.
  NodeId counted(const std::vector<OrderedMember>& members, int min, int max) {
    const int cap = max == kUnbounded ? std::max(min, 1) : std::max(max, 1);
    // behind[c]: what may follow when c members (no less than cap: many) stand before.
    std::vector<NodeId> behind;
    for (int c = 0; c <= cap; ++c) {
      behind.push_back(c >= min ? grammar_.empty() : grammar_.choice({}));
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

  // min to max elements: the first ones by position, then the rest.
  NodeId elements(const std::vector<NodeId>& first, NodeId rest, int min, int max) {
    const int fixed = max == kUnbounded ? static_cast<int>(first.size())
                                        : std::min(static_cast<int>(first.size()), max);
    const auto after_comma = [&](NodeId node) {
      return grammar_.sequence({values_.comma(), node});
    };
    // Built from the end: tail = what may follow `done` elements.
    NodeId tail = grammar_.empty();
    if (max == kUnbounded || max > fixed) {
      const int low = std::max(min - fixed, 0), high = max == kUnbounded ? kUnbounded : max - fixed;
      if (fixed > 0) {
        tail = grammar_.repeat(after_comma(rest), low, high);
      } else {
        const NodeId more = grammar_.repeat(after_comma(rest), std::max(low - 1, 0),
                                            high == kUnbounded ? kUnbounded : high - 1);
        const NodeId some = grammar_.sequence({rest, more});
        return low == 0 ? grammar_.optional(some) : some;
      }
    }
    for (int i = fixed - 1; i >= 0; --i) {
      const NodeId element = first[static_cast<std::size_t>(i)];
      const NodeId step = grammar_.sequence({i == 0 ? element : after_comma(element), tail});
      tail = i >= min ? grammar_.optional(step) : step;
    }
    return tail;
  }

  Result<std::set<std::string>> required_names(const Json& value, const Path& path) {
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

  // The schema of every property that is listed or required, with what patterns and
  // propertyNames say of it.
  Result<Json> described(const Json& value, const std::set<std::string>& required,
                         const Path& path) {
    Json out = Json::object();
    if (const Json* properties = find_member(value, "properties")) {
      if (!properties->is_object()) return schema_error(path + "/properties", "must be an object");
      out = *properties;
    }
    std::vector<std::string> names, quoted;
    for (const auto& [name, property] : out.items()) names.push_back(name);
    for (const std::string& name : required) {
      if (!out.contains(name)) names.push_back(name);
    }
    for (const std::string& name : names) quoted.push_back(dump_json(Json(name)));
    std::vector<bool> found(names.size(), false);
    if (const Json* patterns = find_member(value, "patternProperties")) {
      for (const auto& [pattern, property] : patterns->items()) {
        QUIRE_ASSIGN(const NodeId keys, scalars_.keys({pattern}, path));
        const std::vector<bool> fits = matches(grammar_, keys, quoted);
        for (std::size_t i = 0; i < names.size(); ++i) {
          if (!fits[i]) continue;
          found[i] = true;
          Json& one = out[names[i]];
          one = one.is_null() ? property : Json{{"allOf", Json::array({one, property})}};
        }
      }
    }
    const Json* additional = find_member(value, "additionalProperties");
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!out[names[i]].is_null() || found[i]) continue;
      out[names[i]] = additional != nullptr ? *additional : Json(true);
    }
    if (const Json* keys = find_member(value, "propertyNames")) {
      QUIRE_ASSIGN(const NodeId node, schema(*keys, path + "/propertyNames", 1));
      const std::vector<bool> fits = matches(grammar_, node, quoted);
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!fits[i]) out[names[i]] = false;
      }
    }
    return out;
  }

  Result<NodeId> object(const Json& value, const Path& path, int depth) {
    QUIRE_ASSIGN(const std::set<std::string> required, required_names(value, path));
    QUIRE_ASSIGN(const Json properties, described(value, required, path));
    std::vector<OrderedMember> members;
    std::vector<std::string> names;
    for (const auto& [name, property] : properties.items()) {
      QUIRE_ASSIGN(const NodeId node, schema(property, path + "/properties/" + name, depth + 1));
      members.push_back(
          {member(grammar_.literal(dump_json(Json(name))), node), required.contains(name)});
      names.push_back(name);
    }
    QUIRE_ASSIGN(const NodeId extra, additional_members(value, names, path, depth));
    QUIRE_ASSIGN(const int min, read_count(value, "minProperties", 0, path));
    QUIRE_ASSIGN(const int max, read_count(value, "maxProperties", kUnbounded, path));
    if (min == 0 && max == kUnbounded) {
      return values_.wrapped('{', add_ordered(grammar_, members, values_.comma(), extra), '}');
    }
    // A repeated key would be one property: only counts that a repetition cannot break are exact.
    if (members.empty() && extra >= 0) {
      if (min > 1) return schema_error(path + "/minProperties", "more than 1 is not supported");
      return values_.wrapped('{', elements({}, extra, min, max), '}');
    }
    if (extra >= 0 && min > static_cast<int>(members.size())) {
      return schema_error(path + "/minProperties", "more than the listed properties");
    }
    return values_.wrapped('{', counted(members, min, max), '}');
  }

  NodeId member(NodeId key, NodeId value) {
    return grammar_.sequence({key, values_.colon(), value});
  }

  // A member that is not listed; -1 when there may be none.
  Result<NodeId> additional_members(const Json& value, const std::vector<std::string>& names,
                                    const Path& path, int depth) {
    const Json* patterns = find_member(value, "patternProperties");
    Json all_patterns = Json::array();
    if (patterns != nullptr) {
      for (const auto& [pattern, property] : patterns->items()) all_patterns.push_back(pattern);
    }
    std::vector<NodeId> choices;
    const auto add = [&](const Json& keys, const Json& property, const Path& where) -> Status {
      if (property == Json(false)) return {};
      QUIRE_ASSIGN(const NodeId node, schema(property, where, depth + 1));
      QUIRE_ASSIGN(const NodeId key, key_node(value, keys, names, path));
      choices.push_back(member(key, node));
      return {};
    };
    for (const Json& pattern : all_patterns) {
      // A key that two patterns find is left out.
      Json keys = {{"type", "string"}, {"pattern", pattern}};
      for (const Json& other : all_patterns) {
        if (other != pattern) keys[kNotPatterns].push_back(other);
      }
      const auto name = pattern.get<std::string>();
      QUIRE_TRY(add(keys, (*patterns)[name], path + "/patternProperties/" + name));
    }
    const Json* additional = find_member(value, "additionalProperties");
    Json keys = {{"type", "string"}};
    if (!all_patterns.empty()) keys[kNotPatterns] = all_patterns;
    QUIRE_TRY(add(keys, additional != nullptr ? *additional : Json(true),
                  path + "/additionalProperties"));
    return choices.empty() ? NodeId{-1} : grammar_.choice(std::move(choices));
  }

  // A key that is none of the names.
  Result<NodeId> key_node(const Json& value, Json keys, const std::vector<std::string>& names,
                          const Path& path) {
    if (!names.empty()) keys[kExcept] = names;
    const Json* rule = find_member(value, "propertyNames");
    if (rule == nullptr) return scalars_.string(keys, path);
    QUIRE_ASSIGN(const Json both, merge_schemas(root_, keys, *rule, path + "/propertyNames"));
    return schema(both, path + "/propertyNames", 1);
  }

  Json root_;
  GrammarLimits limits_;
  Grammar& grammar_;
  JsonValues values_;
  ScalarSchemas scalars_;
  std::map<std::string, RuleId> references_;
};

}  // namespace

Result<NodeId> add_json_schema(Grammar& grammar, const Json& schema, const GrammarLimits& limits) {
  return SchemaCompiler(grammar, schema, limits).run();
}

Result<Grammar> parse_json_schema(const Json& schema, const GrammarLimits& limits) {
  Grammar grammar;
  QUIRE_ASSIGN(const NodeId node, add_json_schema(grammar, schema, limits));
  grammar.root = grammar.declare("root");
  grammar.define(grammar.root, node);
  return grammar;
}

Result<Grammar> parse_json_schema(const Json& schema, const std::string& whitespace_pattern) {
  Grammar grammar;
  QUIRE_ASSIGN(const NodeId space, add_regex(grammar, whitespace_pattern, {}));
  ByteSet blanks;
  for (const char blank : {' ', '\t', '\n', '\r'}) blanks.set(static_cast<unsigned char>(blank));
  for (std::size_t id = 0; id < grammar.node_count(); ++id) {
    if ((grammar.node(static_cast<NodeId>(id)).bytes & ~blanks).any()) {
      return fail(ErrorCode::kInvalid, "\"{}\" matches more than whitespace", whitespace_pattern);
    }
  }
  SchemaCompiler compiler(grammar, schema, {});
  compiler.set_space(space);
  QUIRE_ASSIGN(const NodeId node, compiler.run());
  grammar.root = grammar.declare("root");
  grammar.define(grammar.root, node);
  return grammar;
}

Grammar grammar_of_json_object() {
  Grammar grammar;
  JsonValues values(grammar);
  const NodeId object = values.any_object();
  grammar.root = grammar.declare("root");
  grammar.define(grammar.root, object);
  return grammar;
}

}  // namespace quire::grammar
