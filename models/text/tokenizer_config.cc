// Which file wins is Transformers' rule: special_tokens_map.json and added_tokens.json count only
// where tokenizer_config.json has no added_tokens_decoder.
#include "models/text/tokenizer_config.h"

#include <charconv>

#include "models/text/bpe.h"
#include "models/text/spec.h"
#include "models/text/text_file.h"
#include "models/text/tokenizer_json.h"

namespace quire::text {
namespace {

// A string, or an object with the flags of an added token.
Result<AddedToken> special_token(const Json& json, const std::string& where) {
  if (json.is_object()) {
    QUIRE_ASSIGN(AddedToken token, read_added_token(json, where));
    token.special = true;
    return token;
  }
  AddedToken token;
  QUIRE_ASSIGN(token.content, json_string(json, where));
  token.special = true;
  return token;
}

bool names_a_token(const std::string& key, const Json& value) {
  return key.ends_with("_token") && (value.is_string() || value.is_object());
}

Result<std::int32_t> parse_id(const std::string& text, const std::string& where) {
  std::int32_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || id < 0 || id >= Vocab::kIdMax) {
    return fail(ErrorCode::kInvalid, "{}: \"{}\" is not a token id", where, text.substr(0, 32));
  }
  return id;
}

class Reader {
 public:
  Result<TokenizerConfig> read(const std::string& folder) {
    const std::string path = folder + "/tokenizer_config.json";
    QUIRE_ASSIGN(const Json json, read_json_if_present(path));
    if (!json.is_null() && !json.is_object()) {
      return fail(ErrorCode::kInvalid, "{} must hold an object", path);
    }
    if (json.is_object()) QUIRE_TRY(main_file(json, path));
    const bool has_decoder = find_member(json, "added_tokens_decoder") != nullptr;
    if (!has_decoder) {
      QUIRE_TRY(special_tokens_map(folder + "/special_tokens_map.json"));
      QUIRE_TRY(added_tokens(folder + "/added_tokens.json"));
    }
    std::map<std::string, const AddedToken*> by_content;
    for (const auto& [id, token] : config_.added) by_content[token.content] = &token;
    for (auto& [name, token] : config_.named) {
      const auto found = by_content.find(token.content);
      if (found != by_content.end()) token = *found->second;
      token.special = true;
    }
    return std::move(config_);
  }

 private:
  Status main_file(const Json& json, const std::string& path) {
    const SpecReader spec(json, path);
    const auto optional_bool = [&spec](std::string_view key, std::optional<bool>& out) -> Status {
      if (spec.member(key) == nullptr) return {};
      QUIRE_ASSIGN(out, spec.boolean(key));
      return {};
    };
    QUIRE_TRY(optional_bool("add_bos_token", config_.add_bos_token));
    QUIRE_TRY(optional_bool("add_eos_token", config_.add_eos_token));
    QUIRE_TRY(optional_bool("legacy", config_.legacy));
    QUIRE_TRY(optional_bool("add_prefix_space", config_.add_prefix_space));
    QUIRE_TRY(optional_bool("do_lower_case", config_.do_lower_case));
    QUIRE_ASSIGN(config_.clean_up_tokenization_spaces,
                 spec.boolean("clean_up_tokenization_spaces", false));
    QUIRE_ASSIGN(config_.split_special_tokens, spec.boolean("split_special_tokens", false));
    QUIRE_ASSIGN(config_.tokenizer_class, spec.string("tokenizer_class", ""));
    QUIRE_TRY(named_tokens(json, path));
    if (const Json* decoder = spec.member("added_tokens_decoder")) {
      return added_tokens_decoder(*decoder, spec.name_of("added_tokens_decoder"));
    }
    return {};
  }

  Status named_tokens(const Json& json, const std::string& path) {
    for (const auto& [key, value] : json.items()) {
      if (!names_a_token(key, value)) continue;
      QUIRE_ASSIGN(config_.named[key], special_token(value, path + "." + key));
    }
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      const Json* list = find_member(json, key);
      if (list == nullptr) continue;
      const std::string where = path + "." + key;
      if (list->is_object()) {
        for (const auto& [name, value] : list->items()) {
          QUIRE_ASSIGN(config_.named[name], special_token(value, where + "." + name));
        }
      }
      if (!list->is_array()) continue;
      for (const Json& value : *list) {
        QUIRE_ASSIGN(AddedToken token, special_token(value, where));
        config_.extra_special.push_back(std::move(token));
      }
    }
    return {};
  }

  Status added_tokens_decoder(const Json& decoder, const std::string& where) {
    if (!decoder.is_object()) return fail(ErrorCode::kInvalid, "{} must be an object", where);
    for (const auto& [key, value] : decoder.items()) {
      QUIRE_ASSIGN(const std::int32_t id, parse_id(key, where));
      QUIRE_ASSIGN(config_.added[id], read_added_token(value, where + "." + key));
    }
    return {};
  }

  Status special_tokens_map(const std::string& path) {
    QUIRE_ASSIGN(const Json json, read_json_if_present(path));
    if (json.is_null()) return {};
    if (!json.is_object()) return fail(ErrorCode::kInvalid, "{} must hold an object", path);
    return named_tokens(json, path);
  }

  Status added_tokens(const std::string& path) {
    QUIRE_ASSIGN(const Json json, read_json_if_present(path));
    if (json.is_null()) return {};
    if (!json.is_object()) return fail(ErrorCode::kInvalid, "{} must hold an object", path);
    for (const auto& [content, value] : json.items()) {
      const std::string where = path + "." + content.substr(0, 64);
      QUIRE_ASSIGN(const std::int64_t id, json_integer(value, where, 0, Vocab::kIdMax - 1));
      AddedToken token;
      token.content = content;
      token.special = is_special(content);
      token.normalized = !token.special;
      config_.added[static_cast<std::int32_t>(id)] = std::move(token);
    }
    return {};
  }

  bool is_special(const std::string& content) const {
    for (const auto& [name, token] : config_.named) {
      if (token.content == content) return true;
    }
    for (const AddedToken& token : config_.extra_special) {
      if (token.content == content) return true;
    }
    return false;
  }

  TokenizerConfig config_;
};

}  // namespace

Result<TokenizerConfig> read_tokenizer_config(const std::string& folder) {
  return Reader().read(folder);
}

Status apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts) {
  const Vocab& vocab = parts.model->vocab();
  for (const auto& [id, token] : config.added) {
    QUIRE_TRY(parts.added.add(token, vocab));
    const std::int32_t given = parts.added.find(token.content);
    if (!token.content.empty() && given != id) {
      return fail(
          ErrorCode::kInvalid,
          "tokenizer_config.json: added token \"{}\" has id {} but the vocabulary gives it {}",
          token.content.substr(0, 64), id, given);
    }
  }
  constexpr std::string_view kFirst[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};
  for (const std::string_view name : kFirst) {
    const AddedToken* token = config.find(name);
    if (token != nullptr) QUIRE_TRY(parts.added.add(*token, vocab));
  }
  for (const auto& [name, token] : config.named) QUIRE_TRY(parts.added.add(token, vocab));
  for (const AddedToken& token : config.extra_special) {
    const std::int32_t id = parts.added.find(token.content);
    const AddedToken* known = id < 0 ? nullptr : parts.added.find(id);
    if (known != nullptr && known->special) continue;
    QUIRE_TRY(parts.added.add(token, vocab));
  }
  const auto id_of = [&](const char* name) -> std::optional<std::int32_t> {
    const AddedToken* token = config.find(name);
    if (token == nullptr || token->content.empty()) return std::nullopt;
    return parts.added.find(token->content);
  };
  parts.bos_id = id_of("bos_token");
  parts.eos_id = id_of("eos_token");
  parts.split_special_tokens = config.split_special_tokens;
  const bool is_bpe = dynamic_cast<const Bpe*>(parts.model.get()) != nullptr;
  if (config.clean_up_tokenization_spaces && !is_bpe) {
    for (MakeStage& stage : make_clean_up()) parts.decoder.push_back(std::move(stage));
  }
  return {};
}

}  // namespace quire::text
