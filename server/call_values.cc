// Top-level properties come in the schema's order, required ones always; nested values of the
// program-text formats are held to their types.
#include "server/call_values.h"

#include <algorithm>

#include "engine/grammar/front_ends.h"
#include "engine/grammar/token_bytes.h"
#include "server/call_grammar.h"

namespace quire::server {
namespace {

using grammar::kUnbounded;
using grammar::NodeId;
using grammar::OrderedMember;

constexpr int kLiteralDepthMax = 16;

bool is_only(const Json& schema, std::string_view type) {
  const Json* named = find_member(schema, "type");
  return named != nullptr && named->is_string() && named->get_ref<const std::string&>() == type;
}

// The values that const or enum leave, or null.
Json constants_of(const Json& schema) {
  if (const Json* only = find_member(schema, "const")) return Json::array({*only});
  const Json* list = find_member(schema, "enum");
  return list != nullptr && list->is_array() ? *list : Json(nullptr);
}

bool all_strings(const Json& list) {
  return list.is_array() &&
         std::all_of(list.begin(), list.end(), [](const Json& value) { return value.is_string(); });
}

}  // namespace

NodeId CallValues::marker(std::string_view text) {
  return grammar_.literal(grammar::marker_bytes(style_.tokenizer, text));
}

Result<NodeId> CallValues::schema_node(const Json& schema, const std::string& place) {
  auto node = grammar::add_json_schema(grammar_, schema);
  if (node) return node;
  if (style_.lenient) return is_only(schema, "object") ? values_.any_object() : values_.any();
  return fail_at("tools", ErrorCode::kInvalid, "{}: {}", place, node.error().message);
}

Result<NodeId> CallValues::json(const CallableFunction& function) {
  Json schema = function.parameters;
  if (!schema.is_object() || schema.empty()) return values_.any_object();
  if (find_member(schema, "type") == nullptr && find_member(schema, "$ref") == nullptr) {
    schema["type"] = "object";
  }
  return schema_node(schema, "tool " + function.name);
}

Result<std::vector<CallValues::Property>> CallValues::properties(
    const CallableFunction& function) const {
  std::vector<Property> out;
  const Json* listed = find_member(function.parameters, "properties");
  const Json* required = find_member(function.parameters, "required");
  if (listed == nullptr || !listed->is_object()) return out;
  for (const auto& [name, schema] : listed->items()) {
    Property property{name, schema, false};
    property.required =
        required != nullptr && required->is_array() &&
        std::find(required->begin(), required->end(), Json(name)) != required->end();
    // References look from the whole schema.
    for (const char* key : {"$defs", "definitions"}) {
      const Json* shared = find_member(function.parameters, key);
      if (shared != nullptr && schema.is_object()) property.schema[key] = *shared;
    }
    out.push_back(std::move(property));
  }
  return out;
}

Result<NodeId> CallValues::tag_value(const Property& property, const std::string& place) {
  const text::ToolFormat& format = style_.format;
  const NodeId end = marker(format.value_end);
  const NodeId line =
      format.strips_newlines ? grammar_.optional(grammar_.literal("\n")) : grammar_.empty();
  const Json constants = constants_of(property.schema);
  if (all_strings(constants)) {
    std::vector<NodeId> choices;
    for (const Json& value : constants)
      choices.push_back(grammar_.literal(value.get<std::string>()));
    return grammar_.sequence({line, grammar_.choice(std::move(choices)), line, end});
  }
  if (is_only(property.schema, "string")) {
    return grammar::add_until(grammar_,
                              {.marker = grammar::marker_bytes(style_.tokenizer, format.value_end),
                               .rest = grammar_.empty()});
  }
  QUIRE_ASSIGN(const NodeId value, schema_node(property.schema, place));
  return grammar_.sequence({line, value, line, end});
}

Result<NodeId> CallValues::tags(const CallableFunction& function) {
  const text::ToolFormat& format = style_.format;
  QUIRE_ASSIGN(const std::vector<Property> listed, properties(function));
  std::vector<OrderedMember> members;
  for (const Property& property : listed) {
    const std::string place = "tool " + function.name + ", parameter " + property.name;
    QUIRE_ASSIGN(const NodeId value, tag_value(property, place));
    const bool bare =
        is_only(property.schema, "string") || all_strings(constants_of(property.schema));
    const NodeId kind = format.typed_values
                            ? grammar_.literal(bare ? "\" string=\"true\"" : "\" string=\"false\"")
                            : grammar_.empty();
    const NodeId between = format.value_begin.empty() ? grammar_.empty() : values_.space();
    members.push_back(
        {grammar_.sequence({marker(format.key_begin), grammar_.literal(property.name), kind,
                            marker(format.key_end), between, marker(format.value_begin), value}),
         property.required});
  }
  return grammar::add_ordered(grammar_, members, values_.space());
}

NodeId CallValues::quoted_text() {
  const std::string_view quote = style_.format.quote;
  if (quote.empty()) return values_.string();
  return grammar_.sequence(
      {marker(quote),
       grammar::add_until(grammar_, {.marker = grammar::marker_bytes(style_.tokenizer, quote),
                                     .rest = grammar_.empty()})});
}

NodeId CallValues::constant(const Json& value) {
  const std::string_view quote = style_.format.quote;
  if (value.is_string() && !quote.empty()) {
    return grammar_.sequence(
        {marker(quote), grammar_.literal(value.get<std::string>()), marker(quote)});
  }
  if (quote.empty() && value.is_boolean()) {
    return grammar_.literal(value.get<bool>() ? "True" : "False");
  }
  if (quote.empty() && value.is_null()) return grammar_.literal("None");
  return grammar_.literal(dump_json(value));
}

NodeId CallValues::any_literal() {
  if (any_literal_ >= 0) return grammar_.rule(any_literal_);
  any_literal_ = grammar_.declare("literal");
  const NodeId any = grammar_.rule(any_literal_);
  const bool python = style_.format.quote.empty();
  const auto list_of = [&](NodeId item) {
    const NodeId more = grammar_.repeat(grammar_.sequence({values_.comma(), item}), 0, kUnbounded);
    return grammar_.optional(grammar_.sequence({item, more}));
  };
  const NodeId name = grammar_.repeat(
      grammar_.code_points({{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}}), 1, kUnbounded);
  const NodeId member = grammar_.sequence({python ? values_.string() : name, values_.colon(), any});
  grammar_.define(any_literal_,
                  grammar_.choice({quoted_text(), values_.number(), constant(true), constant(false),
                                   constant(nullptr), values_.wrapped('[', list_of(any), ']'),
                                   values_.wrapped('{', list_of(member), '}')}));
  return any;
}

Result<NodeId> CallValues::literal_value(const Json& schema, const std::string& place, int depth) {
  const Json constants = constants_of(schema);
  if (constants.is_array()) {
    std::vector<NodeId> choices;
    for (const Json& value : constants) choices.push_back(constant(value));
    return grammar_.choice(std::move(choices));
  }
  if (is_only(schema, "string")) return quoted_text();
  if (is_only(schema, "boolean")) return grammar_.choice({constant(true), constant(false)});
  if (is_only(schema, "null")) return constant(nullptr);
  if (is_only(schema, "integer") || is_only(schema, "number")) return schema_node(schema, place);
  const Json* items = find_member(schema, "items");
  if (is_only(schema, "array") && items != nullptr && depth < kLiteralDepthMax) {
    QUIRE_ASSIGN(const NodeId item, literal_value(*items, place, depth + 1));
    const NodeId more = grammar_.repeat(grammar_.sequence({values_.comma(), item}), 0, kUnbounded);
    return values_.wrapped('[', grammar_.optional(grammar_.sequence({item, more})), ']');
  }
  return any_literal();
}

Result<NodeId> CallValues::literals(const CallableFunction& function, char separator) {
  QUIRE_ASSIGN(const std::vector<Property> listed, properties(function));
  std::vector<OrderedMember> members;
  for (const Property& property : listed) {
    const std::string place = "tool " + function.name + ", parameter " + property.name;
    QUIRE_ASSIGN(const NodeId value, literal_value(property.schema, place, 0));
    members.push_back(
        {grammar_.sequence({grammar_.literal(property.name),
                            grammar_.literal(std::string_view(&separator, 1)), value}),
         property.required});
  }
  const NodeId comma =
      grammar_.sequence({grammar_.literal(","), grammar_.optional(grammar_.literal(" "))});
  return grammar::add_ordered(grammar_, members, comma);
}

}  // namespace quire::server
