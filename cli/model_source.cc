// Existing paths first, then the hub.
#include "cli/model_source.h"

#include <filesystem>

namespace quire::cli {

Result<std::string> find_model(std::string_view name, const Options&) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_directory(fs::path(name), ignored)) return std::string(name);
  return fail(ErrorCode::kNotFound, "there is no folder {}", name);
}

Result<std::string> find_model(const Options& options) {
  return find_model(options.settings.engine.model, options);
}

}  // namespace quire::cli
