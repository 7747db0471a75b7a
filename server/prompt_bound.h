// How long a text may be before it is certain that its tokens exceed the context.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/text/tokenizer.h"

namespace quire::server {

// A text of more bytes has more than `context_max` tokens, so it need not be tokenized to be
// refused. 0: no bound, because the tokenizer drops text or turns much of it into one token.
std::size_t prompt_bytes_bound(const text::Tokenizer& tokenizer, std::int64_t context_max);

}  // namespace quire::server
