// The spellings of Qwen, StarCoder and Granite, DeepSeek, CodeLlama, Codestral and Seed-Coder.
#include "server/fim.h"

namespace quire::server {
namespace {

struct Spelling {
  std::string_view prefix, suffix, middle;
  bool suffix_first;
};

constexpr Spelling kSpellings[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", false},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", false},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>", false},
    {"<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "begin\xEF\xBD\x9C>",
     "<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "hole\xEF\xBD\x9C>",
     "<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "end\xEF\xBD\x9C>",
     false},
    {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>", false},
    {"<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", true},
    {"[PREFIX]", "[SUFFIX]", "", true},
};

}  // namespace

std::optional<FimTokens> find_fim_tokens(const text::Tokenizer& tokenizer) {
  for (const Spelling& spelling : kSpellings) {
    const auto prefix = tokenizer.token_id(spelling.prefix);
    const auto suffix = tokenizer.token_id(spelling.suffix);
    if (!prefix || !suffix) continue;
    FimTokens out{*prefix, *suffix, -1, spelling.suffix_first, {}, {}};
    if (!spelling.middle.empty()) {
      const auto middle = tokenizer.token_id(spelling.middle);
      if (!middle) continue;
      out.middle = *middle;
    }
    for (const char* name : {"<|repo_name|>", "<reponame>", "<repo_name>"}) {
      if (!out.repository) out.repository = tokenizer.token_id(name);
    }
    for (const char* name : {"<|file_sep|>", "<file_sep>", "<filename>"}) {
      if (!out.file) out.file = tokenizer.token_id(name);
    }
    return out;
  }
  return std::nullopt;
}

Result<std::vector<std::int32_t>> fim_prompt(const text::Tokenizer& tokenizer,
                                             const FimTokens& tokens, const FimParts& parts) {
  std::vector<std::int32_t> out;
  const auto add = [&](std::string_view text) -> Status {
    QUIRE_ASSIGN(const auto ids,
                 tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false}));
    out.insert(out.end(), ids.begin(), ids.end());
    return {};
  };
  // The empty text shows what the post-processor puts before a prompt.
  QUIRE_ASSIGN(const auto start, tokenizer.encode("", {}));
  for (const std::int32_t id : start) {
    if (tokenizer.bos_id() && id == *tokenizer.bos_id()) out.push_back(id);
  }
  if (!parts.files.empty() && tokens.repository) {
    out.push_back(*tokens.repository);
    QUIRE_TRY(add("project\n"));
  }
  for (const auto& [name, text] : parts.files) {
    if (tokens.file) {
      out.push_back(*tokens.file);
      QUIRE_TRY(add(name + "\n"));
    }
    QUIRE_TRY(add(text));
  }
  if (!parts.files.empty() && tokens.file) {
    out.push_back(*tokens.file);
    QUIRE_TRY(add("filename\n"));
  }
  if (tokens.suffix_first) {
    out.push_back(tokens.suffix);
    QUIRE_TRY(add(parts.suffix));
    out.push_back(tokens.prefix);
    QUIRE_TRY(add(parts.prefix));
  } else {
    out.push_back(tokens.prefix);
    QUIRE_TRY(add(parts.prefix));
    out.push_back(tokens.suffix);
    QUIRE_TRY(add(parts.suffix));
  }
  if (tokens.middle >= 0) out.push_back(tokens.middle);
  return out;
}

}  // namespace quire::server
