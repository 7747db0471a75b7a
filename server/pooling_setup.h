// What a checkpoint is good for besides generating: embeddings, or judging pairs of texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/pooling.h"
#include "models/text/tokenizer.h"

namespace quire::server {

// Sentence-transformers' pipeline behind a decoder.
struct EmbeddingSetup {
  engine::Pooling pooling = engine::Pooling::kLast;
  bool normalize = true;
};

// A decoder that answers "yes" or "no" (Qwen3-Reranker).
struct RerankSetup {
  std::int32_t yes_id = -1, no_id = -1;
};

struct PoolingSetup {
  std::optional<EmbeddingSetup> embedding;
  std::optional<RerankSetup> rerank;
};

// task: auto (by the checkpoint's modules.json), generate, embed or rerank. pooling: auto, last,
// mean or cls. kUnsupported when the checkpoint pools in a way that is not known here.
Result<PoolingSetup> load_pooling_setup(const std::string& folder, const std::string& task,
                                        const std::string& pooling,
                                        const text::Tokenizer& tokenizer);

}  // namespace quire::server
