// How far apart two names are, for "did you mean".
#pragma once

#include <string_view>

namespace quire {

// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other
// (optimal string alignment).
int edit_distance(std::string_view a, std::string_view b);

}  // namespace quire
