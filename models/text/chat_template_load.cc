// Finds the chat templates and special tokens in a checkpoint's folder.
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "models/text/chat_template.h"

namespace quire::text {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kFileBytesMax = 64u << 20;

// Nothing when there is no such file.
Result<std::optional<std::string>> read_file(const fs::path& path) {
  std::error_code code;
  if (!fs::exists(path, code)) return std::optional<std::string>();
  const std::uintmax_t bytes = fs::file_size(path, code);
  if (code) return fail(ErrorCode::kIo, "cannot read {}: {}", path.string(), code.message());
  if (bytes > kFileBytesMax) {
    return fail(ErrorCode::kInvalid, "{} has {} bytes, more than {}", path.string(), bytes,
                kFileBytesMax);
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return fail(ErrorCode::kIo, "cannot read {}", path.string());
  return std::optional<std::string>(std::move(text).str());
}

// An empty object when there is no such file.
Result<Json> read_json(const fs::path& path) {
  QUIRE_ASSIGN(const std::optional<std::string> text, read_file(path));
  if (!text) return Json::object();
  JsonLimits limits;
  limits.nodes = 4'000'000;  // added_tokens_decoder of large vocabularies
  limits.allow_non_finite = true;
  auto parsed = parse_json(*text, limits);
  if (!parsed) {
    return fail(parsed.error().code, "{}: {}", path.string(), parsed.error().message);
  }
  if (!parsed->is_object()) return fail(ErrorCode::kInvalid, "{} is no object", path.string());
  return parsed;
}

Status add_template(ChatTemplates& templates, const std::string& name, const std::string& source,
                    const fs::path& origin) {
  auto compiled = ChatTemplate::compile(source);
  if (!compiled) {
    return fail(compiled.error().code, "{}: {}", origin.string(), compiled.error().message);
  }
  templates.by_name.insert_or_assign(name, *std::move(compiled));
  return {};
}

// The value of a "chat_template" key: a text, a list of {name, template}, or an object by name.
Status add_from_json(ChatTemplates& templates, const Json& value, const fs::path& origin) {
  if (value.is_null()) return {};
  if (value.is_string()) {
    return add_template(templates, "default", value.get_ref<const std::string&>(), origin);
  }
  if (value.is_object()) {
    for (const auto& member : value.items()) {
      if (!member.value().is_string()) {
        return fail(ErrorCode::kInvalid, "{}: chat_template.{} must be a string", origin.string(),
                    member.key());
      }
      QUIRE_TRY(add_template(templates, member.key(), member.value().get<std::string>(), origin));
    }
    return {};
  }
  if (!value.is_array()) {
    return fail(ErrorCode::kInvalid, "{}: chat_template must be a string or a list, got {}",
                origin.string(), value.type_name());
  }
  for (const Json& entry : value) {
    const Json* name = find_member(entry, "name");
    const Json* source = find_member(entry, "template");
    if (name == nullptr || source == nullptr || !name->is_string() || !source->is_string()) {
      return fail(ErrorCode::kInvalid,
                  "{}: each entry of chat_template must be an object with the strings name and "
                  "template",
                  origin.string());
    }
    QUIRE_TRY(
        add_template(templates, name->get<std::string>(), source->get<std::string>(), origin));
  }
  return {};
}

// chat_template.jinja and additional_chat_templates/NAME.jinja.
Status add_files(ChatTemplates& templates, const fs::path& folder) {
  const fs::path main = folder / "chat_template.jinja";
  QUIRE_ASSIGN(const std::optional<std::string> source, read_file(main));
  if (source) QUIRE_TRY(add_template(templates, "default", *source, main));
  std::error_code code;
  for (fs::directory_iterator it(folder / "additional_chat_templates", code), end;
       !code && it != end; it.increment(code)) {
    if (it->path().extension() != ".jinja") continue;
    QUIRE_ASSIGN(const std::optional<std::string> extra, read_file(it->path()));
    if (extra) QUIRE_TRY(add_template(templates, it->path().stem().string(), *extra, it->path()));
  }
  return {};
}

// A special token as text: a string, or an object with `content`.
std::optional<std::string> token_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  const Json* content = find_member(value, "content");
  if (content != nullptr && content->is_string()) return content->get<std::string>();
  return std::nullopt;
}

void add_tokens(const Json& source, Json& tokens) {
  for (const auto& member : source.items()) {
    if (!member.key().ends_with("_token")) continue;
    if (const auto text = token_text(member.value())) tokens[member.key()] = *text;
  }
  // Named ones of the model's own, such as image_token.
  if (const Json* extra = find_member(source, "extra_special_tokens");
      extra != nullptr && extra->is_object()) {
    for (const auto& member : extra->items()) {
      if (const auto text = token_text(member.value())) tokens[member.key()] = *text;
    }
  }
}

}  // namespace

Result<ChatTemplates> load_chat_templates(const std::string& folder) {
  const fs::path root(folder);
  ChatTemplates templates;
  const fs::path config_path = root / "tokenizer_config.json";
  QUIRE_ASSIGN(const Json config, read_json(config_path));
  // Files of their own win over chat_template.json, which wins over tokenizer_config.json.
  QUIRE_TRY(add_files(templates, root));
  if (templates.by_name.empty()) {
    const fs::path legacy = root / "chat_template.json";
    QUIRE_ASSIGN(const Json file, read_json(legacy));
    if (const Json* value = find_member(file, "chat_template")) {
      QUIRE_TRY(add_from_json(templates, *value, legacy));
    }
  }
  if (templates.by_name.empty()) {
    if (const Json* value = find_member(config, "chat_template")) {
      QUIRE_TRY(add_from_json(templates, *value, config_path));
    }
  }
  add_tokens(config, templates.special_tokens);
  // Transformers reads the older file only when the newer one lacks its list of added tokens.
  if (find_member(config, "added_tokens_decoder") == nullptr) {
    QUIRE_ASSIGN(const Json map, read_json(root / "special_tokens_map.json"));
    add_tokens(map, templates.special_tokens);
  }
  return templates;
}

}  // namespace quire::text
