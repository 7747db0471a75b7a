// Fill-in-the-middle: the prompt of a text that is wanted between a beginning and an end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "models/text/tokenizer.h"

namespace quire::server {

// How a model marks the three parts.
struct FimTokens {
  std::int32_t prefix = 0, suffix = 0, middle = -1;  // middle -1: nothing marks the gap
  bool suffix_first = false;
  std::optional<std::int32_t> repository, file;  // before further files of the project
};

// Nothing when the vocabulary has none of the known spellings.
std::optional<FimTokens> find_fim_tokens(const text::Tokenizer& tokenizer);

struct FimParts {
  std::string prefix, suffix;
  std::vector<std::pair<std::string, std::string>> files;  // name and text, for context
};

// Special tokens inside the parts are text like any other.
Result<std::vector<std::int32_t>> fim_prompt(const text::Tokenizer& tokenizer,
                                             const FimTokens& tokens, const FimParts& parts);

}  // namespace quire::server
