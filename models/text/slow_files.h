// Tokenizers of checkpoints without a tokenizer.json: SentencePiece models, tiktoken files,
// vocab.json with merges.txt, vocab.txt, and PLaMo's tokenizer.jsonl.
#pragma once

#include <optional>
#include <string>

#include "models/text/pipeline.h"
#include "models/text/tokenizer_config.h"

namespace quire::text {

// The parts of the first such file that the folder has; nothing when it has none. The tokens of
// `config` are among them.
Result<std::optional<PipelineParts>> parts_of_slow_files(const std::string& folder,
                                                         const TokenizerConfig& config);

// The single formats; `bytes` is the file.
Result<PipelineParts> parts_of_sentencepiece(std::string_view bytes, const TokenizerConfig& config);
// `name` is the file's name, by which some are told apart.
Result<PipelineParts> parts_of_tiktoken(std::string_view bytes, const std::string& name,
                                        const TokenizerConfig& config);
Result<PipelineParts> parts_of_plamo(std::string_view bytes, const TokenizerConfig& config);
Result<PipelineParts> parts_of_vocab_and_merges(const std::string& vocab_json,
                                                std::string_view merges_txt,
                                                const TokenizerConfig& config);
Result<PipelineParts> parts_of_vocab_txt(std::string_view bytes, const TokenizerConfig& config);

}  // namespace quire::text
