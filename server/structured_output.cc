// Each field is one way to name a kind of grammar and its source.
#include "server/structured_output.h"

#include <utility>

#include "engine/grammar/front_ends.h"

namespace quire::server {
namespace {

using grammar::Grammar;
using Wish = tl::expected<std::optional<GrammarWish>, ApiError>;

constexpr std::size_t kSourceBytesMax = std::size_t{64} << 10;
constexpr std::size_t kChoicesMax = 1024;

tl::expected<void, ApiError> check_size(const std::string& field, std::size_t bytes) {
  if (bytes <= kSourceBytesMax) return {};
  return api_fail(kBadRequest, field, "{} has {} bytes, the limit is {}", field, bytes,
                  kSourceBytesMax);
}

Wish json_object_wish(std::string field) {
  return GrammarWish{"object", std::move(field),
                     [] { return Result<Grammar>(grammar::grammar_of_json_object()); },
                     std::make_shared<const Json>(Json{{"type", "object"}})};
}

// A schema as a value, or as the text of one.
Wish schema_wish(std::string field, Json schema) {
  if (schema.is_string()) {
    auto parsed = parse_json(schema.get_ref<const std::string&>());
    if (!parsed) {
      return api_fail(kBadRequest, field, "{} is no JSON: {}", field, parsed.error().message);
    }
    schema = std::move(*parsed);
  }
  if (!schema.is_object() && !schema.is_boolean()) {
    return api_fail(kBadRequest, field, "{} must be a JSON schema, got {}", field,
                    schema.type_name());
  }
  std::string text = dump_json(schema);
  if (auto good = check_size(field, text.size()); !good) return tl::unexpected(good.error());
  auto shared = std::make_shared<const Json>(std::move(schema));
  return GrammarWish{"schema:" + std::move(text), std::move(field),
                     [shared] { return grammar::parse_json_schema(*shared); }, shared};
}

Wish text_wish(std::string field, const Json& value, std::string kind,
               Result<Grammar> (*parse)(std::string_view)) {
  if (!value.is_string()) {
    return api_fail(kBadRequest, field, "{} must be a string, got {}", field, value.type_name());
  }
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty()) return api_fail(kBadRequest, field, "{} is empty", field);
  if (auto good = check_size(field, text.size()); !good) return tl::unexpected(good.error());
  return GrammarWish{
      kind + ":" + text, std::move(field), [text, parse] { return parse(text); }, {}};
}

Result<Grammar> parse_regex(std::string_view text) { return grammar::grammar_of_regex(text); }
Result<Grammar> parse_gbnf(std::string_view text) { return grammar::parse_gbnf(text); }

Wish choice_wish(std::string field, const Json& value) {
  if (!value.is_array() || value.empty() || value.size() > kChoicesMax) {
    return api_fail(kBadRequest, field, "{} must be an array of 1 to {} strings", field,
                    kChoicesMax);
  }
  std::vector<std::string> choices;
  for (const Json& choice : value) {
    if (!choice.is_string() || choice.get_ref<const std::string&>().empty()) {
      return api_fail(kBadRequest, field, "{} must hold strings that are not empty", field);
    }
    choices.push_back(choice.get<std::string>());
  }
  const std::string key = dump_json(value);
  if (auto good = check_size(field, key.size()); !good) return tl::unexpected(good.error());
  return GrammarWish{
      "choice:" + key,
      std::move(field),
      [choices = std::move(choices)] { return grammar::grammar_of_choices(choices); },
      {}};
}

Wish response_format_wish(const Json& format) {
  const Json* type = find_member(format, "type");
  if (type == nullptr || !type->is_string()) {
    return api_fail(kBadRequest, "response_format.type", "response_format.type must be a string");
  }
  const auto& name = type->get_ref<const std::string&>();
  const Json* schema = find_member(format, "schema");
  if (name == "text") return std::nullopt;
  if (name == "json_object") {
    if (schema == nullptr || schema->is_null()) return json_object_wish("response_format");
    return schema_wish("response_format.schema", *schema);
  }
  if (name != "json_schema") {
    return api_fail(kUnsupportedField, "response_format.type",
                    "response_format.type {} is not supported here, only \"text\", "
                    "\"json_object\" and \"json_schema\"",
                    dump_json(*type).substr(0, 64));
  }
  if (const Json* wrapper = find_member(format, "json_schema")) {
    if (const Json* inner = find_member(*wrapper, "schema")) {
      return schema_wish("response_format.json_schema.schema", *inner);
    }
  }
  if (schema != nullptr) return schema_wish("response_format.schema", *schema);
  return api_fail(kBadRequest, "response_format.json_schema",
                  "response_format.json_schema.schema is missing");
}

Wish structured_outputs_wish(const Json& outputs) {
  std::optional<GrammarWish> out;
  for (const auto& [name, value] : outputs.items()) {
    const std::string field = "structured_outputs." + name.substr(0, 64);
    if (value.is_null() || value == Json(false)) continue;
    Wish wish;
    if (name == "json") {
      wish = schema_wish(field, value);
    } else if (name == "regex") {
      wish = text_wish(field, value, "regex", parse_regex);
    } else if (name == "choice") {
      wish = choice_wish(field, value);
    } else if (name == "grammar") {
      wish = text_wish(field, value, "gbnf", parse_gbnf);
    } else if (name == "json_object" && value == Json(true)) {
      wish = json_object_wish(field);
    } else {
      return api_fail(kUnsupportedField, field, "{} is not supported here", field);
    }
    if (!wish) return wish;
    if (out) {
      return api_fail(kBadRequest, field, "{} and {} exclude each other", out->field, field);
    }
    out = std::move(*wish);
  }
  if (!out) {
    return api_fail(kBadRequest, "structured_outputs", "structured_outputs asks for nothing");
  }
  return out;
}

}  // namespace

tl::expected<std::optional<GrammarWish>, ApiError> read_structure(const Fields& fields) {
  std::optional<GrammarWish> out;
  const auto take = [&](const char* name, const auto& make) -> tl::expected<void, ApiError> {
    const Json* value = fields.get(name);
    if (value == nullptr) return {};
    Wish wish = make(*value);
    if (!wish) return tl::unexpected(wish.error());
    if (!*wish) return {};
    if (out) {
      return api_fail(kBadRequest, name, "{} and {} exclude each other", out->field, name);
    }
    out = std::move(*wish);
    return {};
  };
  const auto schema = [](const char* name) {
    return [name](const Json& value) { return schema_wish(name, value); };
  };
  const auto text = [](const char* name, const char* kind,
                       Result<Grammar> (*parse)(std::string_view)) {
    return [=](const Json& value) -> Wish {
      if (value == Json("")) return std::nullopt;  // as llama.cpp's clients leave it empty
      return text_wish(name, value, kind, parse);
    };
  };
  const auto all = [&]() -> tl::expected<void, ApiError> {
    if (auto good = take("response_format", response_format_wish); !good) return good;
    if (auto good = take("structured_outputs", structured_outputs_wish); !good) return good;
    for (const char* name : {"guided_json", "json_schema"}) {
      if (auto good = take(name, schema(name)); !good) return good;
    }
    for (const char* name : {"guided_regex", "regex"}) {
      if (auto good = take(name, text(name, "regex", parse_regex)); !good) return good;
    }
    for (const char* name : {"guided_grammar", "grammar", "ebnf"}) {
      if (auto good = take(name, text(name, "gbnf", parse_gbnf)); !good) return good;
    }
    return take("guided_choice",
                [](const Json& value) { return choice_wish("guided_choice", value); });
  };
  if (auto good = all(); !good) return tl::unexpected(good.error());
  const std::string whitespace = fields.text("guided_whitespace_pattern", "");
  if (out && out->schema && !whitespace.empty()) {
    if (auto good = check_size("guided_whitespace_pattern", whitespace.size()); !good) {
      return tl::unexpected(good.error());
    }
    out->key += ":whitespace:" + whitespace;
    out->build = [schema = out->schema, whitespace] {
      return grammar::parse_json_schema(*schema, whitespace);
    };
  }
  return out;
}

}  // namespace quire::server
