// Where the tokens of a prompt lie in its text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "models/load/json.h"
#include "models/text/tokenizer.h"

namespace quire::server {

// [begin, end) of each token in code points; a token without text of its own is empty, and tokens
// that share a character all have it.
using TokenOffsets = std::vector<std::pair<std::int64_t, std::int64_t>>;

// Absent where the tokens' own texts do not add up to the text: the tokenizer normalized it.
std::optional<TokenOffsets> token_offsets(const text::Tokenizer& tokenizer,
                                          std::span<const std::int32_t> ids, std::string_view text);

// [[begin, end], ...] or null.
Json offsets_json(const std::optional<TokenOffsets>& offsets);

}  // namespace quire::server
