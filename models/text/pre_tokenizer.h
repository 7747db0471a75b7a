// Cutting text into the pieces that the model encodes one by one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/load/json.h"
#include "models/text/pieces.h"
#include "models/text/regex.h"

namespace quire::text {

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// What a pattern describes: the separators, or (inverted) the pieces between them.
enum class PatternMeans { kSeparators, kPieces };

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual Status apply(Pieces& pieces) const = 0;
};

using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

// Steps in order. Sequences are flattened, and a ByteLevel becomes its parts: prefix, split, bytes.
struct PreTokenizerSteps {
  PreTokenizers steps;
  // The last step maps bytes to characters; it is not among `steps`, so that a byte pair encoder
  // can take the bytes as they are. Whoever has another model appends make_byte_mapper().
  bool ends_with_bytes = false;
};

// `spec` is the "pre_tokenizer" of a tokenizer.json; `where` names it in messages.
Result<PreTokenizerSteps> make_pre_tokenizer(const Json& spec, std::string_view where);

std::unique_ptr<PreTokenizer> make_byte_mapper();
Result<std::unique_ptr<PreTokenizer>> make_regex_split(std::string_view pattern,
                                                       SplitBehavior behavior, PatternMeans means);

}  // namespace quire::text
