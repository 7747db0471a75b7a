// Rewriting text before it is cut into pieces.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/load/json.h"
#include "models/text/pieces.h"

namespace quire::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual Status apply(NormalText& text) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

// `spec` is the "normalizer" of a tokenizer.json; null gives none. Sequences are flattened.
Result<Normalizers> make_normalizers(const Json& spec, std::string_view where);

std::unique_ptr<Normalizer> make_prepend(std::string text);
Result<std::unique_ptr<Normalizer>> make_literal_replace(std::string_view pattern,
                                                         std::string content);
// BERT as its vocab.txt checkpoints have it; accents go when letters are lowered.
Status append_bert_normalizer(bool lowercase, Normalizers& out);
// "NFC", "NFD", "NFKC" or "NFKD".
Result<std::unique_ptr<Normalizer>> make_unicode_normalizer(std::string_view form);

Status normalize(const Normalizers& normalizers, NormalText& text);

}  // namespace quire::text
