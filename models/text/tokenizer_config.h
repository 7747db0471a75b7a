// tokenizer_config.json, special_tokens_map.json and added_tokens.json: what refines a tokenizer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/load/json.h"
#include "models/text/pipeline.h"

namespace quire::text {

// Tokens by their role, in the order of the file; new ones get their ids in this order.
class NamedTokens {
 public:
  AddedToken& operator[](std::string_view name) {
    for (auto& [known, token] : tokens_) {
      if (known == name) return token;
    }
    return tokens_.emplace_back(name, AddedToken{}).second;
  }
  const AddedToken* find(std::string_view name) const {
    for (const auto& [known, token] : tokens_) {
      if (known == name) return &token;
    }
    return nullptr;
  }
  auto begin() { return tokens_.begin(); }
  auto end() { return tokens_.end(); }
  auto begin() const { return tokens_.begin(); }
  auto end() const { return tokens_.end(); }

 private:
  std::vector<std::pair<std::string, AddedToken>> tokens_;
};

struct TokenizerConfig {
  // By id, as added_tokens_decoder or added_tokens.json has them.
  std::map<std::int32_t, AddedToken> added;
  // "bos_token", "image_token" ... that name a token.
  NamedTokens named;
  std::vector<AddedToken> extra_special;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> legacy;
  std::optional<bool> add_prefix_space;
  std::optional<bool> do_lower_case;
  bool clean_up_tokenization_spaces = false;
  bool split_special_tokens = false;
  std::string tokenizer_class;

  const AddedToken* find(std::string_view name) const { return named.find(name); }
};

// Files that are absent leave their part empty.
Result<TokenizerConfig> read_tokenizer_config(const std::string& folder);

// Adds the tokens to the parts, finds bos and eos, and adds the clean-up where Transformers has it:
// asked for, and the model is no byte pair encoder.
Status apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts);

}  // namespace quire::text
