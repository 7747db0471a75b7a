// The unigram language model: the cut of a text whose pieces have the highest sum of scores.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/text/byte_trie.h"
#include "models/text/token_model.h"

namespace quire::text {

struct UnigramPiece {
  std::string token;
  double score = 0;
};

struct UnigramOptions {
  std::optional<std::int32_t> unk_id;
  bool byte_fallback = false;
};

class Unigram final : public TokenModel {
 public:
  // Ids are the positions in the list. Of equal tokens the last one gives the id and the score.
  static Result<std::unique_ptr<Unigram>> create(const std::vector<UnigramPiece>& pieces,
                                                 const UnigramOptions& options);
  Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const override;
  const Vocab& vocab() const override { return vocab_; }

 private:
  Unigram() = default;
  struct Best;
  Status search(std::string_view text, std::vector<Best>& best) const;
  Status emit(std::string_view text, std::vector<std::int32_t>& ids) const;

  Vocab vocab_;
  std::vector<double> scores_;
  ByteTrie trie_;
  std::array<std::int32_t, 256> fallback_ids_{};
  UnigramOptions options_;
  double unk_score_ = 0;
};

}  // namespace quire::text
