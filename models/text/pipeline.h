// The tokenizer made of parts: added tokens, normalizers, pre-tokenizers, a model, a post-processor
// and a decoder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/text/added_tokens.h"
#include "models/text/decoder.h"
#include "models/text/normalizer.h"
#include "models/text/post_processor.h"
#include "models/text/pre_tokenizer.h"
#include "models/text/token_model.h"
#include "models/text/tokenizer.h"

namespace quire::text {

struct PipelineParts {
  AddedTokens added;  // not finished yet
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  std::unique_ptr<TokenModel> model;
  PostProcessor post_processor;
  std::vector<MakeStage> decoder;
  std::optional<std::int32_t> bos_id;
  std::optional<std::int32_t> eos_id;
  bool split_special_tokens = false;  // as if no text ever held special tokens
};

// Finishes the parts. Nothing can be added afterwards.
Result<std::unique_ptr<Tokenizer>> make_pipeline(PipelineParts parts);

}  // namespace quire::text
