// One component for each endpoint's body; its properties are the rows of the table of fields.
#include "server/openapi.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "server/endpoints.h"
#include "server/info_endpoints.h"
#include "server/request_fields.h"

namespace quire::server {
namespace {

constexpr std::string_view kErrorSchema = R"({"type":"object","required":["error"],"properties":{
  "error":{"type":"object","required":["message","type","param","code"],"properties":{
  "message":{"type":"string"},"type":{"type":"string"},"param":{"type":["string","null"]},
  "code":{"type":["string","null"]}}}}})";
constexpr std::string_view kAnthropicErrorSchema = R"({"type":"object","required":["type","error"],
  "properties":{"type":{"const":"error"},
  "error":{"type":"object","required":["type","message"]}}})";

Json parsed(std::string_view text) { return parse_json(text).value(); }

Json bound_json(double bound) {
  const bool whole = std::floor(bound) == bound && std::abs(bound) < 9e15;
  return whole ? Json(static_cast<std::int64_t>(bound)) : Json(bound);
}

std::string_view type_name(FieldType type) {
  switch (type) {
    case FieldType::kAny:
      return "any";
    case FieldType::kBool:
      return "boolean";
    case FieldType::kInteger:
      return "integer";
    case FieldType::kNumber:
      return "number";
    case FieldType::kString:
      return "string";
    case FieldType::kObject:
      return "object";
    case FieldType::kArray:
      return "array";
  }
  return "any";
}

bool has_min(const FieldSpec& spec) {
  return spec.min > std::numeric_limits<double>::lowest() && std::abs(spec.min) < 9.2e18;
}
bool has_max(const FieldSpec& spec) { return spec.max < 9.2e18; }

// The texts of a refused field's neutral values.
std::vector<std::string_view> neutral_values(const FieldSpec& spec) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < spec.neutral.size();) {
    const std::size_t end = std::min(spec.neutral.find(' ', begin), spec.neutral.size());
    out.push_back(spec.neutral.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// null counts as absent everywhere.
Json field_schema(const FieldSpec& spec) {
  Json out = Json::object();
  if (spec.state == FieldState::kIgnored) {
    out["description"] = "known, without influence on the output";
    return out;
  }
  if (spec.state == FieldState::kRefused) {
    out["description"] = "not supported: only values that change nothing are taken";
    out["enum"] = Json::array({nullptr});
    for (const std::string_view value : neutral_values(spec)) out["enum"].push_back(parsed(value));
    return out;
  }
  if (spec.type != FieldType::kAny) out["type"] = {type_name(spec.type), "null"};
  const bool is_number = spec.type == FieldType::kInteger || spec.type == FieldType::kNumber;
  if (is_number && has_min(spec)) out["minimum"] = bound_json(spec.min);
  if (is_number && has_max(spec)) out["maximum"] = bound_json(spec.max);
  return out;
}

std::string component_name(const EndpointSpec& spec) {
  std::string out;
  bool upper = true;
  for (const char c : spec.path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter) out += upper && c >= 'a' ? static_cast<char>(c - 32) : c;
    upper = !letter;
  }
  return out + "Request";
}

Json body_schema(const EndpointSpec& endpoint) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const FieldSpec& spec : field_specs()) {
    if ((spec.endpoints & endpoint.body) == 0) continue;
    properties[std::string(spec.name)] = field_schema(spec);
    if ((spec.required_by & endpoint.body) != 0) required.push_back(spec.name);
  }
  Json out = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) {
    for (const Json& name : required) {
      Json& schema = out["properties"][name.get<std::string>()];
      if (schema.contains("type")) schema["type"] = Json(schema["type"][0]);
    }
    out["required"] = std::move(required);
  }
  return out;
}

Json responses_of(const EndpointSpec& spec) {
  const Json schema = answer_schema(spec.method, spec.path);
  Json content = Json::object();
  if (schema.is_null()) {
    const bool is_file = spec.path == "/page/{id}";
    const char* const type = is_file ? "*/*" : spec.path == "/" ? "text/html" : "text/plain";
    content[type] = {{"schema", {{"type", "string"}}}};
  } else {
    content["application/json"] = {{"schema", schema}};
  }
  if ((spec.traits & kGeneration) != 0 || spec.path == "/v1/engine/live") {
    content["text/event-stream"] = {{"schema", {{"type", "string"}}}};
  }
  const bool anthropic = spec.path.starts_with("/v1/messages");
  const Json error = {{"description", "an error"},
                      {"content",
                       {{"application/json",
                         {{"schema",
                           {{"$ref", anthropic ? "#/components/schemas/AnthropicError"
                                               : "#/components/schemas/Error"}}}}}}}};
  return {{"200", {{"description", "the answer"}, {"content", std::move(content)}}},
          {"4XX", error},
          {"503", error},
          {"504", error}};
}

Json operation(const EndpointSpec& spec) {
  Json out = Json::object();
  out["summary"] = spec.summary;
  if (!spec.also.empty()) {
    out["description"] = fmt::format("also at {}", fmt::join(other_paths(spec), ", "));
  }
  out["tags"] = Json::array({spec.group});
  if ((spec.traits & kPublic) != 0) out["security"] = Json::array();
  if (spec.path.find("{id}") != std::string_view::npos) {
    Json id = Json::object();
    id["name"] = "id";
    id["in"] = "path";
    id["required"] = true;
    id["schema"] = {{"type", "string"}};
    out["parameters"] = Json::array({std::move(id)});
  }
  if (spec.body != kNoBody) {
    const std::string reference = "#/components/schemas/" + component_name(spec);
    out["requestBody"] = {{"required", true},
                          {"content", {{"application/json", {{"schema", {{"$ref", reference}}}}}}}};
  }
  out["responses"] = responses_of(spec);
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string range_text(const FieldSpec& spec) {
  if (spec.type != FieldType::kInteger && spec.type != FieldType::kNumber) return "";
  if (has_min(spec) && has_max(spec)) return fmt::format(" {} to {}", spec.min, spec.max);
  if (has_min(spec)) return fmt::format(" from {}", spec.min);
  return has_max(spec) ? fmt::format(" up to {}", spec.max) : "";
}

std::string state_text(const FieldSpec& spec) {
  if (spec.state == FieldState::kIgnored) return "accepted, without influence on the output";
  if (spec.state == FieldState::kSupported) return "supported";
  if (spec.neutral.empty()) return "refused";
  std::string out = "refused, but for";
  for (const std::string_view value : neutral_values(spec)) out += fmt::format(" `{}`", value);
  return out;
}

void append_fields(const EndpointSpec& endpoint, std::string& out) {
  for (const FieldState state :
       {FieldState::kSupported, FieldState::kRefused, FieldState::kIgnored}) {
    for (const FieldSpec& spec : field_specs()) {
      if ((spec.endpoints & endpoint.body) == 0 || spec.state != state) continue;
      const bool required = (spec.required_by & endpoint.body) != 0;
      out += fmt::format("| `{}` | {}{} | {}{} |\n", spec.name, type_name(spec.type),
                         range_text(spec), state_text(spec), required ? ", required" : "");
    }
  }
}

}  // namespace

Json openapi_document() {
  Json paths = Json::object();
  Json schemas = {{"Error", parsed(kErrorSchema)},
                  {"AnthropicError", parsed(kAnthropicErrorSchema)}};
  for (const EndpointSpec& spec : endpoint_specs()) {
    paths[std::string(spec.path)][lower(spec.method)] = operation(spec);
    if (spec.body != kNoBody) schemas[component_name(spec)] = body_schema(spec);
  }
  Json out = Json::object();
  out["openapi"] = "3.1.0";
  out["info"] = {{"title", "Quire"},
                 {"version", kVersion},
                 {"description", "Language models over OpenAI's, Anthropic's and llama.cpp's API"}};
  out["security"] = parsed(R"([{}, {"bearer": []}, {"x-api-key": []}])");
  out["paths"] = std::move(paths);
  out["components"] = {
      {"schemas", std::move(schemas)},
      {"securitySchemes", parsed(R"({"bearer": {"type": "http", "scheme": "bearer"},
                  "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"}})")}};
  return out;
}

std::string api_markdown() {
  std::string out =
      "# The API\n"
      "\n"
      "Generated from the tables in `server/endpoints.cc` and `server/request_fields_table.cc` by\n"
      "`QUIRE_UPDATE_DOCS=1 build/server_tests --gtest_filter=ApiDocs.*`; a test compares. The "
      "same "
      "tables\nvalidate requests and make `/openapi.json`.\n"
      "\n"
      "`null` counts as absent. A field that is not listed is accepted and named in `warnings` of "
      "the answer,\nunless its name is within two edits of a listed one (400) or `--strict-fields` "
      "is set (400).\n"
      "\n"
      "| method | path | what it does | API key |\n"
      "|---|---|---|---|\n";
  for (const EndpointSpec& spec : endpoint_specs()) {
    std::string paths = fmt::format("`{}`", spec.path);
    for (const std::string_view other : other_paths(spec)) paths += fmt::format(", `{}`", other);
    out += fmt::format("| {} | {} | {} | {} |\n", spec.method, paths, spec.summary,
                       (spec.traits & kPublic) != 0 ? "no" : "yes");
  }
  for (const EndpointSpec& spec : endpoint_specs()) {
    if (spec.body == kNoBody) continue;
    out += fmt::format("\n## {} {}\n\n| field | type | state |\n|---|---|---|\n", spec.method,
                       spec.path);
    append_fields(spec, out);
  }
  return out;
}

}  // namespace quire::server
