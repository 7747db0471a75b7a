// Picks the tokenizer files of a checkpoint folder.
#include "models/text/tokenizer.h"

#include "models/text/pipeline.h"
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
    return fail(ErrorCode::kNotFound, "{} has no tokenizer.json", folder);
  }
  auto parts = parts_of_tokenizer_json(json);
  if (!parts) return in_file(path, parts.error());
  QUIRE_TRY(apply_tokenizer_config(config, *parts));
  auto tokenizer = make_pipeline(std::move(*parts));
  if (!tokenizer) return in_file(path, tokenizer.error());
  return tokenizer;
}

}  // namespace quire::text
