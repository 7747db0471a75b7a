// Picks the tokenizer files of a checkpoint folder.
#include "models/text/tokenizer.h"

#include "models/text/pipeline.h"
#include "models/text/slow_files.h"
#include "models/text/text_file.h"
#include "models/text/tokenizer_config.h"
#include "models/text/tokenizer_json.h"

namespace quire::text {

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder) {
  const auto in_file = [](const std::string& path, const Error& error) {
    return fail(error.code, "{}: {}", path, error.message);
  };
  QUIRE_ASSIGN(const TokenizerConfig config, read_tokenizer_config(folder));
  const std::string path = folder + "/tokenizer.json";
  QUIRE_ASSIGN(const Json json, read_json_if_present(path));
  if (json.is_null()) {
    QUIRE_ASSIGN(auto parts, parts_of_slow_files(folder, config));
    if (!parts) {
      return fail(
          ErrorCode::kNotFound,
          "{} has no tokenizer: neither tokenizer.json nor a SentencePiece model, a tiktoken "
          "file, tokenizer.jsonl, vocab.json with merges.txt, or vocab.txt",
          folder);
    }
    return make_pipeline(std::move(*parts));
  }
  auto parts = parts_of_tokenizer_json(json);
  if (!parts) return in_file(path, parts.error());
  QUIRE_TRY(apply_tokenizer_config(config, *parts));
  auto tokenizer = make_pipeline(std::move(*parts));
  if (!tokenizer) return in_file(path, tokenizer.error());
  return tokenizer;
}

}  // namespace quire::text
