// tokenizer_config.json, special_tokens_map.json and added_tokens.json: what refines a tokenizer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/load/json.h"
#include "models/text/pipeline.h"

namespace quire::text {

struct TokenizerConfig {
  // By id, as added_tokens_decoder or added_tokens.json has them.
  std::map<std::int32_t, AddedToken> added;
  // "bos_token", "image_token" ... that name a token.
  std::map<std::string, AddedToken> named;
  std::vector<AddedToken> extra_special;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> legacy;
  std::optional<bool> add_prefix_space;
  std::optional<bool> do_lower_case;
  bool clean_up_tokenization_spaces = false;
  bool split_special_tokens = false;
  std::string tokenizer_class;

  const AddedToken* find(const std::string& name) const {
    const auto at = named.find(name);
    return at == named.end() ? nullptr : &at->second;
  }
};

// Files that are absent leave their part empty.
Result<TokenizerConfig> read_tokenizer_config(const std::string& folder);

// Adds the tokens to the parts, finds bos and eos, and adds the clean-up where Transformers has it:
// asked for, and the model is no byte pair encoder.
Status apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts);

}  // namespace quire::text
