// The program's own place tells where its data lies.
#include "base/bundled.h"

#include <filesystem>

namespace quire {
namespace fs = std::filesystem;

std::string bundled_folder(std::string_view name) {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return "";
  const fs::path above = program.parent_path().parent_path();
  for (const fs::path& folder : {above / "share/quire" / name, above / name}) {
    if (fs::is_directory(folder, failed)) return folder.string();
  }
  return "";
}

}  // namespace quire
