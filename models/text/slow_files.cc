// Which file a folder has, and the formats that name their pieces in plain text.
#include "models/text/slow_files.h"

#include "models/text/bpe.h"
#include "models/text/decoder_stages.h"
#include "models/text/pre_tokenizer_steps.h"
#include "models/text/text_file.h"
#include "models/text/unicode.h"
#include "models/text/word_models.h"

namespace quire::text {
namespace {

constexpr std::string_view kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Lines without their ends; a last empty one does not count.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string named_or(const TokenizerConfig& config, const std::string& name,
                     std::string_view fallback) {
  const AddedToken* token = config.find(name);
  return token == nullptr ? std::string(fallback) : token->content;
}

std::optional<std::int32_t> id_of(const PipelineParts& parts, std::string_view token) {
  const std::int32_t id = parts.model->vocab().find(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

bool starts(std::string_view text, std::string_view with) { return text.starts_with(with); }

}  // namespace

Result<PipelineParts> parts_of_vocab_and_merges(const std::string& vocab_json,
                                                std::string_view merges_txt,
                                                const TokenizerConfig& config) {
  QUIRE_ASSIGN(const Json json, parse_json(vocab_json, vocabulary_limits()));
  if (!json.is_object()) return fail(ErrorCode::kInvalid, "vocab.json must hold an object");
  Vocab vocab;
  vocab.expect(json.size());
  for (const auto& [token, value] : json.items()) {
    QUIRE_ASSIGN(const std::int64_t id,
                 json_integer(value, "vocab.json." + token.substr(0, 64), 0, Vocab::kIdMax - 1));
    QUIRE_TRY(vocab.add(token, static_cast<std::int32_t>(id)));
  }
  MergePairs merges;
  for (const std::string_view line : lines_of(merges_txt)) {
    if (starts(line, "#version") || line.empty()) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return fail(ErrorCode::kInvalid, "merges.txt: \"{}\" is not two parts", line.substr(0, 64));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  PipelineParts parts;
  QUIRE_ASSIGN(auto bpe, Bpe::create(std::move(vocab), merges, {}));
  bpe->take_raw_bytes();
  parts.model = std::move(bpe);
  const bool qwen = starts(config.tokenizer_class, "Qwen2");
  if (qwen) {
    QUIRE_ASSIGN(auto nfc, make_unicode_normalizer("NFC"));
    parts.normalizers.push_back(std::move(nfc));
  }
  if (config.add_prefix_space.value_or(false)) {
    parts.pre_tokenizers.push_back(std::make_unique<PrefixSpaceStep>());
  }
  QUIRE_ASSIGN(auto split, make_regex_split(qwen ? kQwenPattern : kGpt2Pattern,
                                            SplitBehavior::kIsolated, PatternMeans::kSeparators));
  parts.pre_tokenizers.push_back(std::move(split));
  parts.decoder.push_back(make_byte_level_stage());
  QUIRE_TRY(apply_tokenizer_config(config, parts));
  const bool roberta = starts(config.tokenizer_class, "Roberta");
  if (roberta) {
    parts.post_processor = make_bos_eos(id_of(parts, named_or(config, "cls_token", "<s>")),
                                        id_of(parts, named_or(config, "sep_token", "</s>")));
  } else {
    parts.post_processor =
        make_bos_eos(config.add_bos_token.value_or(false) ? parts.bos_id : std::nullopt,
                     config.add_eos_token.value_or(false) ? parts.eos_id : std::nullopt);
  }
  return parts;
}

Result<PipelineParts> parts_of_vocab_txt(std::string_view bytes, const TokenizerConfig& config) {
  if (valid_utf8_prefix(bytes) != bytes.size()) {
    return fail(ErrorCode::kInvalid, "vocab.txt is not UTF-8");
  }
  Vocab vocab;
  std::int32_t id = 0;
  for (std::string_view line : lines_of(bytes)) {
    while (!line.empty()) {
      const std::size_t last = utf8_previous(line, line.size());
      if (!is_white_space(utf8_at(line, last).code)) break;
      line = line.substr(0, last);
    }
    QUIRE_TRY(vocab.add_or_take_over(line, id++));
  }
  WordPieceOptions options;
  options.unk_token = named_or(config, "unk_token", "[UNK]");
  PipelineParts parts;
  parts.model = std::make_unique<WordPiece>(std::move(vocab), options);
  QUIRE_TRY(append_bert_normalizer(config.do_lower_case.value_or(true), parts.normalizers));
  parts.pre_tokenizers.push_back(
      std::make_unique<CharSplit>(&is_white_space, SplitBehavior::kRemoved));
  parts.pre_tokenizers.push_back(
      std::make_unique<CharSplit>(&is_punctuation, SplitBehavior::kIsolated));
  parts.decoder.push_back([](DecodeSink& next) -> std::unique_ptr<DecodeSink> {
    return std::make_unique<WordPieceStage>(next, "##", /*cleanup=*/true);
  });
  TokenizerConfig with_defaults = config;
  for (const auto& [name, content] : {std::pair{"unk_token", "[UNK]"},
                                      {"cls_token", "[CLS]"},
                                      {"sep_token", "[SEP]"},
                                      {"pad_token", "[PAD]"},
                                      {"mask_token", "[MASK]"}}) {
    if (config.find(name) != nullptr || !id_of(parts, content)) continue;
    with_defaults.named[name] = AddedToken{.content = content, .special = true};
  }
  QUIRE_TRY(apply_tokenizer_config(with_defaults, parts));
  parts.post_processor = make_bos_eos(id_of(parts, named_or(with_defaults, "cls_token", "[CLS]")),
                                      id_of(parts, named_or(with_defaults, "sep_token", "[SEP]")));
  return parts;
}

Result<std::optional<PipelineParts>> parts_of_slow_files(const std::string& folder,
                                                         const TokenizerConfig& config) {
  const auto in_file = [](const std::string& path,
                          Result<PipelineParts> parts) -> Result<std::optional<PipelineParts>> {
    if (parts) return std::move(*parts);
    return fail(parts.error().code, "{}: {}", path, parts.error().message);
  };
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
                           "sentencepiece.model", "spm.model"}) {
    const std::string path = folder + "/" + name;
    QUIRE_ASSIGN(const auto bytes, read_if_present(path));
    if (!bytes) continue;
    // Some families use the name for a tiktoken file, which is text.
    const bool text = !bytes->empty() && (*bytes)[0] != '\x0A' && (*bytes)[0] != '\x12';
    return in_file(path, text ? parts_of_tiktoken(*bytes, name, config)
                              : parts_of_sentencepiece(*bytes, config));
  }
  for (const char* name : {"tiktoken.model", "qwen.tiktoken", "multilingual.tiktoken",
                           "gpt2.tiktoken", "vocab.tiktoken", "tokenizer.tiktoken"}) {
    const std::string path = folder + "/" + name;
    QUIRE_ASSIGN(const auto bytes, read_if_present(path));
    if (bytes) return in_file(path, parts_of_tiktoken(*bytes, name, config));
  }
  QUIRE_ASSIGN(const auto jsonl, read_if_present(folder + "/tokenizer.jsonl"));
  if (jsonl) return in_file(folder + "/tokenizer.jsonl", parts_of_plamo(*jsonl, config));
  QUIRE_ASSIGN(const auto vocab_json, read_if_present(folder + "/vocab.json"));
  QUIRE_ASSIGN(const auto merges, read_if_present(folder + "/merges.txt"));
  if (vocab_json && merges) {
    return in_file(folder, parts_of_vocab_and_merges(*vocab_json, *merges, config));
  }
  QUIRE_ASSIGN(const auto vocab_txt, read_if_present(folder + "/vocab.txt"));
  if (vocab_txt) return in_file(folder + "/vocab.txt", parts_of_vocab_txt(*vocab_txt, config));
  return std::optional<PipelineParts>();
}

}  // namespace quire::text
