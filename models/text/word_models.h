// Models of whole words: WordPiece cuts them greedily, WordLevel takes them as they are.
#pragma once

#include <string>

#include "models/text/token_model.h"

namespace quire::text {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  std::size_t word_chars_max = 100;  // longer words are unknown
};

class WordPiece final : public TokenModel {
 public:
  WordPiece(Vocab vocab, WordPieceOptions options);
  Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const override;
  const Vocab& vocab() const override { return vocab_; }

 private:
  Vocab vocab_;
  WordPieceOptions options_;
  std::int32_t unk_id_;
};

class WordLevel final : public TokenModel {
 public:
  WordLevel(Vocab vocab, std::string unk_token);
  Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const override;
  const Vocab& vocab() const override { return vocab_; }

 private:
  Vocab vocab_;
  std::string unk_token_;
  std::int32_t unk_id_;
};

}  // namespace quire::text
