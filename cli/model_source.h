// Which folder a model's name means: a folder, a file in it, or a repository in the hub's cache.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/options.h"

namespace quire::cli {

// The checkpoint folder of options.settings.engine.model.
//  - An existing folder: itself.
//  - An existing .safetensors file: its folder, if loading that folder would read the file.
//  - demo: the bundled toy, wherever the program lies.
//  - org/repo[@revision]: the snapshot in the cache; what is missing is pulled unless offline.
Result<std::string> find_model(const Options& options);

// The same for any name.
Result<std::string> find_model(std::string_view name, const Options& options);

}  // namespace quire::cli
