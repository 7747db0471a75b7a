// The list of model families, and which of them a config.json asks for.
#pragma once

#include <span>

#include "base/error.h"
#include "models/family.h"

namespace quire::models {

std::span<const ModelFamily* const> families();

// By model_type, in lower case; else by the first known name of `architectures`. An architecture
// that only shares its model_type with a family (a drafter, a classifier) is refused by name.
Result<const ModelFamily*> find_family(const Config& config);

}  // namespace quire::models
