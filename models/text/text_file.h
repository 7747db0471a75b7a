// Reading a checkpoint's small files.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "models/load/json.h"

namespace quire::text {

// The file's bytes, nothing when there is no such file. Refuses what is not a regular file and more
// than 1 GiB.
Result<std::optional<std::string>> read_if_present(const std::string& path);

// The file as JSON within limits wide enough for a vocabulary; null when there is no such file.
Result<Json> read_json_if_present(const std::string& path);
// Limits for a file that holds a vocabulary.
JsonLimits vocabulary_limits();

}  // namespace quire::text
