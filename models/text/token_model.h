// What turns one piece of pre-tokenized text into ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "models/text/vocab.h"

namespace quire::text {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `piece` (valid UTF-8, not empty).
  virtual Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const = 0;
  virtual const Vocab& vocab() const = 0;
};

}  // namespace quire::text
