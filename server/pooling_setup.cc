// modules.json lists the pipeline; the pooling module's own config.json says how it pools.
#include "server/pooling_setup.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/load/json.h"

namespace quire::server {
namespace {

using engine::Pooling;

Result<Json> read_json_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::kIo, "cannot read {}", path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return parse_json(text.str());
}

Result<Pooling> pooling_of(const std::filesystem::path& config_file) {
  QUIRE_ASSIGN(const Json config, read_json_file(config_file));
  std::optional<Pooling> found;
  for (const auto& [name, value] : config.items()) {
    if (!name.starts_with("pooling_mode_") || value != true) continue;
    std::optional<Pooling> mode;
    if (name == "pooling_mode_cls_token") mode = Pooling::kFirst;
    if (name == "pooling_mode_mean_tokens") mode = Pooling::kMean;
    if (name == "pooling_mode_lasttoken") mode = Pooling::kLast;
    if (!mode || found) {
      return fail(ErrorCode::kUnsupported, "{}: {} is not supported here", config_file.string(),
                  name);
    }
    found = mode;
  }
  if (!found) return fail(ErrorCode::kInvalid, "{} has no pooling mode", config_file.string());
  return *found;
}

Result<std::optional<EmbeddingSetup>> read_modules(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "modules.json")) return std::nullopt;
  QUIRE_ASSIGN(const Json modules, read_json_file(folder / "modules.json"));
  EmbeddingSetup setup;
  setup.normalize = false;
  bool pools = false;
  for (const Json& module : modules) {
    const std::string type = module.is_object() ? module.value("type", std::string()) : "";
    const std::string path = module.is_object() ? module.value("path", std::string()) : "";
    if (type.ends_with(".Pooling")) {
      QUIRE_ASSIGN(setup.pooling, pooling_of(folder / path / "config.json"));
      pools = true;
    } else if (type.ends_with(".Normalize")) {
      setup.normalize = true;
    } else if (!type.ends_with(".Transformer")) {
      return fail(ErrorCode::kUnsupported, "modules.json: \"{}\" is not supported here",
                  type.substr(0, 80));
    }
  }
  if (!pools) return std::nullopt;
  return setup;
}

Result<RerankSetup> rerank_of(const text::Tokenizer& tokenizer) {
  const auto yes = tokenizer.token_id("yes");
  const auto no = tokenizer.token_id("no");
  if (!yes || !no) {
    return fail(ErrorCode::kUnsupported,
                "--task rerank needs a vocabulary with the tokens \"yes\" and \"no\"");
  }
  return RerankSetup{*yes, *no};
}

}  // namespace

Result<PoolingSetup> load_pooling_setup(const std::string& folder, const std::string& task,
                                        const std::string& pooling,
                                        const text::Tokenizer& tokenizer) {
  PoolingSetup setup;
  if (task == "rerank") {
    QUIRE_ASSIGN(setup.rerank, rerank_of(tokenizer));
  } else if (task != "generate") {
    QUIRE_ASSIGN(setup.embedding, read_modules(folder));
    if (task == "embed" && !setup.embedding) setup.embedding = EmbeddingSetup{};
  }
  if (setup.embedding && pooling != "auto") {
    setup.embedding->pooling = pooling == "mean"  ? Pooling::kMean
                               : pooling == "cls" ? Pooling::kFirst
                                                  : Pooling::kLast;
  }
  return setup;
}

}  // namespace quire::server
