// A SentencePiece model as a token model, by libsentencepiece.
#pragma once

#include <memory>
#include <string_view>

#include "models/text/sentencepiece_proto.h"
#include "models/text/token_model.h"

namespace quire::text {

// Where ids differ from the file's positions.
enum class PieceNumbering {
  kPlain,
  kFairseq,  // <s> 0, <pad> 1, </s> 2, <unk> 3, the other pieces one further on (XLM-RoBERTa)
};

// When a text gets the "▁" in front that the model was trained with.
enum class DummyPrefix {
  kEachText,   // every stretch between added tokens (Llama's "legacy")
  kFirstOnly,  // only at the very start of the input
};

struct SentencePieceOptions {
  PieceNumbering numbering = PieceNumbering::kPlain;
  DummyPrefix dummy_prefix = DummyPrefix::kEachText;
};

// `bytes` is the file and `file` what read_sentencepiece_file made of it: nothing unchecked reaches
// the library.
Result<std::unique_ptr<TokenModel>> make_sentencepiece_model(std::string_view bytes,
                                                             const SentencePieceFile& file,
                                                             const SentencePieceOptions& options);

}  // namespace quire::text
