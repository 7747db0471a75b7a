// Looks families up by the names in a config.
#include "models/registry.h"

#include <algorithm>
#include <string>

namespace quire::models {

#define FAMILY(name) extern const ModelFamily kFamily_##name;
#include "models/families.inc"
#undef FAMILY

std::span<const ModelFamily* const> families() {
#define FAMILY(name) &kFamily_##name,
  static constexpr const ModelFamily* kAll[] = {
#include "models/families.inc"
  };
#undef FAMILY
  return kAll;
}

namespace {

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

Result<const ModelFamily*> find_family(const Config& config) {
  const std::string type = lower(config.word("model_type", ""));
  const std::vector<std::string> architectures = config.words("architectures");
  const ModelFamily* found = nullptr;
  for (const ModelFamily* family : families()) {
    if (contains(family->model_types, type)) found = family;
  }
  for (const std::string& architecture : architectures) {
    for (const ModelFamily* family : families()) {
      if (found == nullptr && contains(family->architectures, architecture)) found = family;
    }
    if (found != nullptr && !contains(found->architectures, architecture)) {
      return fail(ErrorCode::kUnsupported,
                  "architecture \"{}\" of model_type \"{}\" is not supported", architecture, type);
    }
  }
  if (found == nullptr) {
    std::string known;
    for (const ModelFamily* family : families()) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", family->name);
    }
    return fail(ErrorCode::kUnsupported, "model_type \"{}\" is not supported (families: {})", type,
                known);
  }
  return found;
}

}  // namespace quire::models
