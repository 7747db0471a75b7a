// What turns one piece of pre-tokenized text into ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "models/text/vocab.h"

namespace quire::text {

enum class PiecePlace { kStart, kLater };  // at the first character of the input, or behind it

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `piece` (valid UTF-8, not empty).
  virtual Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const = 0;
  // The same for models that treat the start of the input differently.
  virtual Status encode_at(PiecePlace /*place*/, std::string_view piece,
                           std::vector<std::int32_t>& ids) const {
    return encode(piece, ids);
  }
  virtual const Vocab& vocab() const = 0;
};

}  // namespace quire::text
