// tokenizer.json, the file of the Hugging Face tokenizers library.
#pragma once

#include <memory>

#include "models/load/json.h"
#include "models/text/pipeline.h"

namespace quire::text {

// The parts that the file describes; bos and eos are not among them. "truncation" and "padding" are
// not applied: they belong to training batches.
Result<PipelineParts> parts_of_tokenizer_json(const Json& file);

// "model" of the file.
Result<std::unique_ptr<TokenModel>> make_token_model(const Json& spec, std::string_view where);

Result<AddedToken> read_added_token(const Json& json, std::string_view where);

}  // namespace quire::text
