// JSON Schema as a grammar: rewriting steps until a schema is a choice of types, then each type.
#include <algorithm>

#include "engine/grammar/front_ends.h"
#include "engine/grammar/product.h"
#include "engine/grammar/schema_compiler.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {

Result<NodeId> SchemaCompiler::run() {
  QUIRE_ASSIGN(root_, with_local_references(root_));
  return schema(root_, "#", 0);
}

Result<Json> SchemaCompiler::without_first(const Json& value, const Path& path) {
  if (value.contains("unevaluatedProperties") || value.contains("unevaluatedItems")) {
    return without_unevaluated(root_, value, path);
  }
  if (value.contains("allOf") || value.contains("$ref")) return plain_schema(root_, value, path);
  if (value.contains("not")) return without_not(root_, value, path);
  if (value.contains("if")) return without_if(root_, value, path);
  if (value.contains("dependentRequired") || value.contains("dependentSchemas")) {
    return without_dependencies(value, path);
  }
  return Json();
}

Result<NodeId> SchemaCompiler::schema(const Json& value, const Path& path, int depth) {
  if (depth > limits_.depth)
    return schema_error(path, "schemas nest deeper than {}", limits_.depth);
  if (++steps_ > kStepsMax) return schema_error(path, "needs more than {} steps", kStepsMax);
  if (grammar_.rule_count() > limits_.rules) {
    return schema_error(path, "needs more than {} rules", limits_.rules);
  }
  QUIRE_TRY(check_shape(value, path));
  if (value.is_boolean()) return value.get<bool>() ? values_.any() : grammar_.choice({});
  QUIRE_TRY(refuse_unenforceable(value, path));
  const bool unevaluated =
      value.contains("unevaluatedProperties") || value.contains("unevaluatedItems");
  if (value.contains("$ref") && !unevaluated) return reference(value, path, depth);
  if (value.contains("allOf")) return conjunction(value, path, depth);
  QUIRE_ASSIGN(const Json simpler, without_first(value, path));
  if (!simpler.is_null()) return schema(simpler, path, depth + 1);
  for (const char* key : {"anyOf", "oneOf"}) {
    if (value.contains(key)) return one_or_any_of(value, key, path, depth);
  }
  if (const Json* later = find_member(value, kAlso)) {
    Json rest = value;
    rest.erase(kAlso);
    Json all = Json::array({std::move(rest)});
    all.insert(all.end(), later->begin(), later->end());
    return schema({{"allOf", std::move(all)}}, path, depth + 1);
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

Result<NodeId> SchemaCompiler::of_type(const Json& value, const std::string& type, const Path& path,
                                       int depth) {
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

// One rule for each conjunction, so that schemas that lead back to the same one end.
Result<NodeId> SchemaCompiler::conjunction(const Json& value, const Path& path, int depth) {
  const auto [known, added] = references_.try_emplace(key_of(value), -1);
  if (!added) return grammar_.rule(known->second);
  const RuleId rule = known->second = grammar_.declare(path);
  QUIRE_ASSIGN(const Json simpler, without_first(value, path));
  QUIRE_ASSIGN(const NodeId node, schema(simpler, path, depth + 1));
  grammar_.define(rule, node);
  return grammar_.rule(rule);
}

// "#/a/b" and "#". Every target becomes one rule, so recursion is a rule that calls itself.
Result<NodeId> SchemaCompiler::reference(const Json& value, const Path& path, int depth) {
  QUIRE_ASSIGN(const std::string target, json_string(value["$ref"], path + "/$ref"));
  for (const auto& [key, member] : value.items()) {
    if (key == "$ref" || is_annotation(key)) continue;
    return conjunction(value, path, depth);
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

Result<NodeId> SchemaCompiler::one_or_any_of(const Json& value, const char* key, const Path& path,
                                             int depth) {
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
  if (std::string_view(key) == "oneOf") {
    QUIRE_ASSIGN(const std::vector<Json> apart, exclusions(root_, branches, merged, here));
    for (std::size_t i = 0; i < merged.size(); ++i) {
      if (apart[i] != Json(true)) merged[i] = {{"allOf", {std::move(merged[i]), apart[i]}}};
    }
  }
  std::vector<NodeId> choices;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    QUIRE_ASSIGN(const NodeId node, schema(merged[i], fmt::format("{}/{}", here, i), depth + 1));
    choices.push_back(node);
  }
  return grammar_.choice(std::move(choices));
}

// The values that the other keywords allow.
Result<NodeId> SchemaCompiler::constants(const Json& value, const Path& path, int depth) {
  Json allowed = Json::array();
  if (const Json* list = find_member(value, "enum")) {
    if (!list->is_array()) return schema_error(path + "/enum", "must be an array");
    allowed = *list;
  }
  if (const Json* only = find_member(value, "const")) {
    const bool listed = std::any_of(allowed.begin(), allowed.end(),
                                    [&](const Json& one) { return same_value(one, *only); });
    const bool open = !value.contains("enum") || listed;
    allowed = open ? Json::array({*only}) : Json::array();
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
