// Folders that come with the program, wherever it was installed or built.
#pragma once

#include <string>
#include <string_view>

namespace quire {

// The folder `name` of the installation (../share/quire/NAME from the program's folder) or of the
// checkout that the program was built in (../NAME); empty where there is neither.
std::string bundled_folder(std::string_view name);

}  // namespace quire
