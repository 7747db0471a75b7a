// Stands in for the tokenizer of a checkpoint that ships none: ids go in and out, text does not.
#pragma once

#include <memory>

#include "models/text/tokenizer.h"

namespace quire::engine {

// encode() answers kUnsupported and says to send token ids; every id decodes to nothing.
std::unique_ptr<text::Tokenizer> make_id_tokenizer(std::int32_t vocab);

}  // namespace quire::engine
