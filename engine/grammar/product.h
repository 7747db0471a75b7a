// Two regular languages combined: texts of both, or of the first without those of the second.
#pragma once

#include <string>
#include <vector>

#include "engine/grammar/grammar.h"

namespace quire::grammar {

enum class Combine { kAnd, kWithout };

// Both nodes must be regular in the sense that few states suffice (no nesting without end); more
// than kProductStatesMax are refused. The result is right-linear rules of the same grammar.
Result<NodeId> add_product(Grammar& grammar, NodeId a, Combine combine, NodeId b);

inline constexpr std::size_t kProductStatesMax = 2000;

// Which of the texts are in the node's language.
std::vector<bool> matches(const Grammar& grammar, NodeId node,
                          const std::vector<std::string>& texts);

}  // namespace quire::grammar
