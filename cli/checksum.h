// Checksums of files as the hub names them.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace quire::cli {

// SHA-256 of the contents, in hexadecimal.
Result<std::string> sha256_of_file(const std::filesystem::path& path);
// SHA-1 of "blob SIZE\0" and the contents: git's name of it.
Result<std::string> git_sha1_of_file(const std::filesystem::path& path);

}  // namespace quire::cli
