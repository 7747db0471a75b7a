// tiktoken files: a token in base64 and its rank on each line; pairs merge by the rank of what they
// become. Patterns and special tokens are not in the file: they follow the class or the file's
// name.
#include <algorithm>
#include <charconv>

#include "models/text/bpe.h"
#include "models/text/byte_alphabet.h"
#include "models/text/normalizer_precompiled.h"
#include "models/text/slow_files.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kKimi =
    R"([\p{Han}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Ranked {
  std::string bytes;
  std::int32_t rank;
};

Result<std::vector<Ranked>> read_ranks(std::string_view text) {
  std::vector<Ranked> out;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t space = line.find(' ');
    std::int32_t rank = -1;
    if (space != std::string_view::npos) {
      const std::string_view digits = line.substr(space + 1);
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
      if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) rank = -1;
    }
    if (rank < 0 || rank >= Vocab::kIdMax) {
      return fail(ErrorCode::kInvalid, "line {} is not a base64 token and its rank", line_number);
    }
    const std::string_view encoded = line.substr(0, space);
    // Whisper's file spells an empty token "=".
    auto bytes = encoded == "=" ? Result<std::string>(std::string()) : decode_base64(encoded);
    if (!bytes || bytes->size() > 4096) {
      return fail(ErrorCode::kInvalid, "line {}: the token is no base64 of at most 4096 bytes",
                  line_number);
    }
    out.push_back({std::move(*bytes), rank});
  }
  std::sort(out.begin(), out.end(),
            [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  return out;
}

// Every cut of a token into two tokens is a merge; cuts of the same token go by their parts' ranks.
MergePairs merges_of(const std::vector<Ranked>& ranked, const Vocab& raw) {
  MergePairs merges;
  struct Cut {
    std::int32_t left;
    std::int32_t right;
  };
  std::vector<Cut> cuts;
  const auto spelled = [&raw](std::int32_t id) {
    std::string out;
    append_byte_chars(out, raw.token(id));
    return out;
  };
  for (const Ranked& token : ranked) {
    cuts.clear();
    const std::string_view bytes = token.bytes;
    for (std::size_t at = 1; at < bytes.size(); ++at) {
      const Cut cut{raw.find(bytes.substr(0, at)), raw.find(bytes.substr(at))};
      if (cut.left >= 0 && cut.right >= 0) cuts.push_back(cut);
    }
    std::sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
      return a.left != b.left ? a.left < b.left : a.right < b.right;
    });
    for (const Cut& cut : cuts) merges.emplace_back(spelled(cut.left), spelled(cut.right));
  }
  return merges;
}

struct Family {
  std::string_view pattern = kGpt4;
  bool nfc = false;
  std::vector<std::string> special;  // numbered from the end of the ranks
  std::vector<std::string> prefix;   // in front of every text, names of special tokens
};

constexpr std::string_view kWhisperLanguages =
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur "
    "hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa "
    "si "
    "km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln "
    "ha "
    "ba jw su";

// Whisper's, version 2: 99 languages. The file of the English models has the same list.
std::vector<std::string> whisper_special_tokens() {
  std::vector<std::string> out = {"<|endoftext|>", "<|startoftranscript|>"};
  for (std::string_view rest = kWhisperLanguages; !rest.empty();) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    out.push_back(fmt::format("<|{}|>", rest.substr(0, space)));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  for (const char* name :
       {"translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"}) {
    out.push_back(fmt::format("<|{}|>", name));
  }
  for (int i = 0; i <= 1500; ++i) out.push_back(fmt::format("<|{}.{:02}|>", i / 50, i % 50 * 2));
  return out;
}

Family family_of(const std::string& name, const TokenizerConfig& config) {
  Family family;
  if (name == "qwen.tiktoken" || config.tokenizer_class == "QWenTokenizer") {
    family.pattern = kQwen;
    family.nfc = true;
    family.special = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    for (int i = 0; i < 205; ++i) family.special.push_back(fmt::format("<|extra_{}|>", i));
  } else if (name == "multilingual.tiktoken" || name == "gpt2.tiktoken") {
    family.pattern = kGpt2;
    family.special = whisper_special_tokens();
  } else if (config.tokenizer_class == "TikTokenTokenizer") {
    family.pattern = kKimi;
  } else if (config.tokenizer_class == "ChatGLM4Tokenizer") {
    family.prefix = {"[gMASK]", "<sop>"};
  }
  return family;
}

}  // namespace

Result<PipelineParts> parts_of_tiktoken(std::string_view bytes, const std::string& name,
                                        const TokenizerConfig& config) {
  QUIRE_ASSIGN(const auto ranked, read_ranks(bytes));
  Vocab raw;
  Vocab vocab;
  raw.expect(ranked.size());
  for (const Ranked& token : ranked) {
    QUIRE_TRY(raw.add(token.bytes, token.rank));
    std::string spelled;
    append_byte_chars(spelled, token.bytes);
    QUIRE_TRY(vocab.add(spelled, token.rank));
  }
  const std::int32_t special_begin = vocab.id_end();
  PipelineParts parts;
  // A piece that is a token is taken whole, as tiktoken does.
  BpeOptions options;
  options.ignore_merges = true;
  QUIRE_ASSIGN(auto bpe, Bpe::create(std::move(vocab), merges_of(ranked, raw), options));
  bpe->take_raw_bytes();
  parts.model = std::move(bpe);
  const Family family = family_of(name, config);
  if (family.nfc) {
    QUIRE_ASSIGN(auto nfc, make_unicode_normalizer("NFC"));
    parts.normalizers.push_back(std::move(nfc));
  }
  QUIRE_ASSIGN(auto split, make_regex_split(family.pattern, SplitBehavior::kIsolated,
                                            PatternMeans::kSeparators));
  parts.pre_tokenizers.push_back(std::move(split));
  parts.decoder.push_back(make_byte_level_stage());
  // Ids without a name, up to the last one that the configuration names, are reserved.
  std::int32_t id = special_begin;
  const std::int32_t last = config.added.empty() ? -1 : config.added.rbegin()->first;
  if (last >= 0 && static_cast<std::size_t>(last) >= Vocab::id_limit(ranked.size())) {
    return fail(ErrorCode::kInvalid, "added token {} although there are only {} tokens", last,
                ranked.size());
  }
  const auto named = static_cast<std::int32_t>(family.special.size());
  for (; id < special_begin + named || id <= last; ++id) {
    const std::int32_t idx = id - special_begin;
    const auto known = config.added.find(id);
    AddedToken token{.content = fmt::format("<|reserved_token_{}|>", id), .special = true};
    if (idx < named) token.content = family.special[idx];
    if (known != config.added.end()) token = known->second;
    QUIRE_TRY(parts.added.add(token, parts.model->vocab()));
  }
  QUIRE_TRY(apply_tokenizer_config(config, parts));
  parts.post_processor =
      make_bos_eos(config.add_bos_token.value_or(false) ? parts.bos_id : std::nullopt,
                   config.add_eos_token.value_or(false) ? parts.eos_id : std::nullopt);
  PostProcessor::Part prefix = {.is_text = false, .ids = {}};
  for (const std::string& content : family.prefix) {
    const std::int32_t id = parts.added.find(content);
    if (id < 0) {
      return fail(ErrorCode::kInvalid, "{} begins texts with {}, which no added token is",
                  config.tokenizer_class, content);
    }
    prefix.ids.push_back(id);
  }
  if (!prefix.ids.empty()) {
    auto& around = parts.post_processor.parts;
    around.insert(around.begin(), std::move(prefix));
  }
  return parts;
}

}  // namespace quire::text
