// The file of a SentencePiece model, read and checked before any library sees it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::text {

struct SentencePieceFile {
  enum class ModelType { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  enum class PieceType {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6,
  };
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };
  std::vector<Piece> pieces;
  ModelType model_type = ModelType::kUnigram;
  bool byte_fallback = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  std::int32_t unk_id = 0;
  std::int32_t bos_id = 1;  // -1: none
  std::int32_t eos_id = 2;
  std::int32_t pad_id = -1;
};

// Refuses what libsentencepiece 0.1.97 would crash on, and what no real model has: a damaged
// normalization table, repeated or empty pieces, text that is not UTF-8, scores that are not
// finite, byte pieces that are not exactly <0x00> to <0xFF>, ids outside the pieces.
Result<SentencePieceFile> read_sentencepiece_file(std::string_view bytes);

}  // namespace quire::text
