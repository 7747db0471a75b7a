// JSON Schema as a grammar: each schema becomes a rule, each type one alternative of it.
#include <algorithm>
#include <map>
#include <set>

#include "engine/grammar/front_ends.h"
#include "engine/grammar/json_values.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr int kCountMax = 1000;  // items, properties and lengths that become repetitions

class SchemaCompiler {
 public:
  SchemaCompiler(Grammar& grammar, const Json& root, const GrammarLimits& limits)
      : root_(root), limits_(limits), grammar_(grammar), values_(grammar) {}

  Result<NodeId> run() { return schema(root_, "#", 0); }

 private:
  using Path = std::string;

  // Of one schema object.
  Result<NodeId> schema(const Json& value, const Path& path, int depth) {
    if (depth > limits_.depth)
      return schema_error(path, "schemas nest deeper than {}", limits_.depth);
    if (value.is_boolean()) return value.get<bool>() ? values_.any() : grammar_.choice({});
    if (!value.is_object()) return schema_error(path, "a schema is an object or a boolean");
    QUIRE_TRY(refuse_unenforceable(value, path));
    if (value.contains("$ref")) return reference(value, path, depth);
    if (value.contains("allOf")) return all_of(value, path, depth);
    for (const char* key : {"anyOf", "oneOf"}) {
      if (value.contains(key)) return one_or_any_of(value, key, path, depth);
    }
    if (value.contains("enum") || value.contains("const")) return constants(value, path);
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
    if (type == "string") return string(value, path);
    if (type == "integer" || type == "number") return number(value, type == "integer", path);
    if (type == "boolean")
      return grammar_.choice({grammar_.literal("true"), grammar_.literal("false")});
    return grammar_.literal("null");
  }

  // "#/a/b" and "#". Every target becomes one rule, so recursion is a rule that calls itself.
  Result<NodeId> reference(const Json& value, const Path& path, int depth) {
    QUIRE_ASSIGN(const std::string target, json_string(value["$ref"], path + "/$ref"));
    for (const auto& [key, member] : value.items()) {
      if (key != "$ref" && !is_annotation(key)) {
        return schema_error(path + "/" + key, "is not supported beside $ref");
      }
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

  // Only what merges without a contest: each keyword from one side.
  Result<NodeId> all_of(const Json& value, const Path& path, int depth) {
    QUIRE_ASSIGN(const Json merged, merge_all_of(root_, value, path));
    return schema(merged, path + "/allOf", depth + 1);
  }

  Result<NodeId> one_or_any_of(const Json& value, const char* key, const Path& path, int depth) {
    const Json& branches = value[key];
    const Path here = path + "/" + key;
    if (!branches.is_array() || branches.empty())
      return schema_error(here, "must be a non-empty array");
    std::vector<Json> merged;
    for (std::size_t i = 0; i < branches.size(); ++i) {
      QUIRE_ASSIGN(Json branch, with_siblings(value, key, branches[i], here));
      merged.push_back(std::move(branch));
    }
    if (std::string_view(key) == "oneOf") QUIRE_TRY(check_disjoint(root_, merged, here));
    std::vector<NodeId> choices;
    for (std::size_t i = 0; i < merged.size(); ++i) {
      QUIRE_ASSIGN(const NodeId node, schema(merged[i], fmt::format("{}/{}", here, i), depth + 1));
      choices.push_back(node);
    }
    return grammar_.choice(std::move(choices));
  }

  Result<NodeId> constants(const Json& value, const Path& path) {
    std::vector<Json> allowed;
    if (value.contains("const")) {
      allowed.push_back(value["const"]);
    } else {
      if (!value["enum"].is_array()) return schema_error(path + "/enum", "must be an array");
      for (const Json& each : value["enum"]) allowed.push_back(each);
    }
    for (const auto& [key, member] : value.items()) {
      if (key != "const" && key != "enum" && key != "type" && !is_annotation(key)) {
        return schema_error(path + "/" + key, "is not supported beside enum or const");
      }
    }
    std::vector<NodeId> choices;
    QUIRE_ASSIGN(const std::vector<std::string> types, types_of(value, path));
    for (const Json& each : allowed) {
      if (has_type(each, types)) choices.push_back(values_.literal(each));
    }
    return grammar_.choice(std::move(choices));
  }

  // A count keyword, or its default when absent.
  Result<int> count(const Json& value, const char* key, int absent, const Path& path) {
    const Json* member = find_member(value, key);
    if (member == nullptr) return absent;
    QUIRE_ASSIGN(const std::int64_t number,
                 json_integer(*member, path + "/" + key, 0, 1'000'000'000));
    if (number > kCountMax)
      return schema_error(path + "/" + key, "{} exceeds {}", number, kCountMax);
    return static_cast<int>(number);
  }

  Result<NodeId> string(const Json& value, const Path& path) {
    QUIRE_ASSIGN(const int min, count(value, "minLength", 0, path));
    QUIRE_ASSIGN(const int max, count(value, "maxLength", kUnbounded, path));
    const bool limited = min > 0 || max != kUnbounded;
    const Json* pattern = find_member(value, "pattern");
    const Json* format = find_member(value, "format");
    if ((pattern != nullptr) + (format != nullptr) + limited > 1) {
      return schema_error(path, "pattern, format and length limits are supported one at a time");
    }
    if (max != kUnbounded && max < min) return grammar_.choice({});
    if (pattern == nullptr && format == nullptr) return values_.string_of_length(min, max);
    RegexOptions options;
    options.match = RegexMatch::kSearch;
    options.code_points = [&](std::vector<CodePointRange> ranges) {
      return values_.escaped_code_points(std::move(ranges));
    };
    std::string expression;
    if (pattern != nullptr) {
      QUIRE_ASSIGN(expression, json_string(*pattern, path + "/pattern"));
    } else {
      QUIRE_ASSIGN(const std::string name, json_string(*format, path + "/format"));
      const std::string_view known = format_pattern(name);
      if (known.empty()) return schema_error(path + "/format", "\"{}\" is not supported", name);
      expression = known;
    }
    auto content = add_regex(grammar_, expression, options, limits_);
    if (!content) return schema_error(path + "/pattern", "{}", content.error().message);
    return values_.quoted(*content);
  }

  Result<std::optional<std::int64_t>> bound(const Json& value, const char* key, const Path& path) {
    const Json* member = find_member(value, key);
    if (member == nullptr) return std::optional<std::int64_t>();
    constexpr std::int64_t kBoundMax = 1'000'000'000'000'000'000;
    const auto integer = json_integer(*member, path + "/" + key, -kBoundMax, kBoundMax);
    if (!integer) return schema_error(path + "/" + key, "only integer bounds are supported");
    return std::optional(*integer);
  }

  Result<NodeId> number(const Json& value, bool integer, const Path& path) {
    QUIRE_ASSIGN(auto min, bound(value, "minimum", path));
    QUIRE_ASSIGN(auto max, bound(value, "maximum", path));
    QUIRE_ASSIGN(const auto above, bound(value, "exclusiveMinimum", path));
    QUIRE_ASSIGN(const auto below, bound(value, "exclusiveMaximum", path));
    if (integer) {
      if (above) min = std::max(min.value_or(*above + 1), *above + 1);
      if (below) max = std::min(max.value_or(*below - 1), *below - 1);
      return values_.integer_between(min, max);
    }
    if (!min && !max && !above && !below) return values_.number();
    JsonValues::NumberBounds bounds = {.min = min, .max = max};
    if (above && (!min || *above >= *min)) bounds.min = *above, bounds.min_excluded = true;
    if (below && (!max || *below <= *max)) bounds.max = *below, bounds.max_excluded = true;
    return values_.number_between(bounds);
  }

  Result<NodeId> array(const Json& value, const Path& path, int depth) {
    QUIRE_ASSIGN(const int min, count(value, "minItems", 0, path));
    QUIRE_ASSIGN(int max, count(value, "maxItems", kUnbounded, path));
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
    return values_.wrapped('[', elements(first, rest, min, max), ']');
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

  Result<NodeId> object(const Json& value, const Path& path, int depth) {
    std::set<std::string> required;
    if (const Json* list = find_member(value, "required")) {
      if (!list->is_array()) return schema_error(path + "/required", "must be an array of strings");
      for (const Json& name : *list) {
        QUIRE_ASSIGN(const std::string text, json_string(name, path + "/required"));
        required.insert(text);
      }
    }
    std::vector<OrderedMember> members;
    std::vector<std::string> names;
    if (const Json* properties = find_member(value, "properties")) {
      if (!properties->is_object()) return schema_error(path + "/properties", "must be an object");
      for (const auto& [name, property] : properties->items()) {
        QUIRE_ASSIGN(const NodeId node, schema(property, path + "/properties/" + name, depth + 1));
        members.push_back(
            {member(grammar_.literal(dump_json(Json(name))), node), required.erase(name) > 0});
        names.push_back(name);
      }
    }
    QUIRE_ASSIGN(const NodeId extra_value, additional_value(value, path, depth));
    for (const std::string& name : required) {  // required but not described
      if (extra_value < 0) return grammar_.choice({});
      members.push_back({member(grammar_.literal(dump_json(Json(name))), extra_value), true});
      names.push_back(name);
    }
    QUIRE_ASSIGN(const NodeId extra, additional_member(value, extra_value, names, path));
    QUIRE_ASSIGN(const int min, count(value, "minProperties", 0, path));
    QUIRE_ASSIGN(const int max, count(value, "maxProperties", kUnbounded, path));
    if (min > 0 || max != kUnbounded) {
      if (!members.empty()) {
        return schema_error(path,
                            "minProperties and maxProperties are not supported beside properties");
      }
      if (extra < 0)
        return min > 0 ? grammar_.choice({}) : values_.wrapped('{', grammar_.empty(), '}');
      // A repeated key would be one property: only counts that a repetition cannot break are exact.
      if (min > 1) return schema_error(path + "/minProperties", "more than 1 is not supported");
      return values_.wrapped('{', elements({}, extra, min, max), '}');
    }
    return values_.wrapped('{', add_ordered(grammar_, members, values_.comma(), extra), '}');
  }

  NodeId member(NodeId key, NodeId value) {
    return grammar_.sequence({key, values_.colon(), value});
  }

  // The schema of properties that are not listed; -1 when there may be none.
  Result<NodeId> additional_value(const Json& value, const Path& path, int depth) {
    const Json* additional = find_member(value, "additionalProperties");
    if (additional == nullptr) return values_.any();
    if (additional->is_boolean() && !additional->get<bool>()) return NodeId{-1};
    return schema(*additional, path + "/additionalProperties", depth + 1);
  }

  Result<NodeId> additional_member(const Json& value, NodeId extra_value,
                                   const std::vector<std::string>& names, const Path& path) {
    if (extra_value < 0) return NodeId{-1};
    NodeId key = names.empty() ? values_.string() : values_.string_except(names);
    if (const Json* key_schema = find_member(value, "propertyNames")) {
      if (!names.empty()) {
        return schema_error(path + "/propertyNames", "is not supported beside properties");
      }
      Json as_string = *key_schema;
      if (as_string.is_object()) as_string["type"] = "string";
      QUIRE_ASSIGN(key, schema(as_string, path + "/propertyNames", 1));
    }
    return member(key, extra_value);
  }

  const Json& root_;
  GrammarLimits limits_;
  Grammar& grammar_;
  JsonValues values_;
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

Grammar grammar_of_json_object() {
  Grammar grammar;
  JsonValues values(grammar);
  const NodeId object = values.any_object();
  grammar.root = grammar.declare("root");
  grammar.define(grammar.root, object);
  return grammar;
}

}  // namespace quire::grammar
