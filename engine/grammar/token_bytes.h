// What each token of a vocabulary adds to a text, as bytes: the alphabet of the grammars.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/grammar/grammar.h"
#include "models/text/tokenizer.h"

namespace quire::grammar {

// Stands before the spelling of a special token: no text has this byte, so that a grammar takes a
// special token where it names one and nowhere else.
inline constexpr char kSpecialByte = '\xFF';

// By token id, [V]; empty for ids that add nothing. A piece of a character is its own bytes.
std::vector<std::string> token_bytes(const text::Tokenizer& tokenizer, std::int32_t vocab);

// `text` as the tokenizer spells it: special tokens in it by name, the rest as it is.
std::string marker_bytes(const text::Tokenizer& tokenizer, std::string_view text);

// Texts without special tokens that end with the first occurrence of `marker` (as marker_bytes
// gives it) and then `rest`; with `may_end`, also any such text without the marker.
struct UntilMarker {
  std::string marker;
  NodeId rest = -1;
  bool may_end = false;
};
NodeId add_until(Grammar& grammar, const UntilMarker& until);

}  // namespace quire::grammar
