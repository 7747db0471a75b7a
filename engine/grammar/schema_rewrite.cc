// The dependent keywords of a schema as a choice of schemas.
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kConditionsMax = 5;  // each doubles the branches

}  // namespace

Result<Json> without_dependencies(const Json& schema, const std::string& path) {
  Json rest = schema;
  rest.erase("dependentRequired");
  rest.erase("dependentSchemas");
  Json branches = Json::array({rest});
  std::size_t conditions = 0;
  const auto split = [&](const std::string& name, const Json& consequence) {
    ++conditions;
    Json next = Json::array();
    const Json present = {{"required", Json::array({name})}};
    const Json absent = {{"properties", {{name, false}}}};
    for (const Json& branch : branches) {
      next.push_back({{"allOf", Json::array({branch, present, consequence})}});
      next.push_back({{"allOf", Json::array({branch, absent})}});
    }
    branches = std::move(next);
  };
  for (const char* key : {"dependentRequired", "dependentSchemas"}) {
    const Json* list = find_member(schema, key);
    if (list == nullptr) continue;
    if (!list->is_object()) return schema_error(path + "/" + key, "must be an object");
    if (conditions + list->size() > kConditionsMax) {
      return schema_error(path + "/" + key, "more than {} conditions", kConditionsMax);
    }
    for (const auto& [name, value] : list->items()) {
      split(name, value.is_array() ? Json{{"required", value}} : value);
    }
  }
  return Json{{"anyOf", std::move(branches)}};
}

}  // namespace quire::grammar
