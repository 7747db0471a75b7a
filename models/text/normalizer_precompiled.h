// SentencePiece's own normalization, as the tokenizers library applies its table.
#pragma once

#include <memory>
#include <string_view>

#include "models/text/charsmap.h"
#include "models/text/normalizer.h"

namespace quire::text {

std::unique_ptr<Normalizer> make_precompiled(Charsmap map);
Result<std::unique_ptr<Normalizer>> make_precompiled_base64(std::string_view encoded);
Result<std::string> decode_base64(std::string_view encoded);

}  // namespace quire::text
