// What the rows of the table mean together.
#include "server/settings.h"

#include <algorithm>

namespace quire::server {

std::vector<const FlagSpec*> setting_rows(std::string_view groups) {
  std::vector<const FlagSpec*> rows;
  for (const SettingSpec& spec : setting_specs()) {
    if (groups.empty()) rows.push_back(&spec);
  }
  for (const std::string_view group : split_words(groups)) {
    for (const SettingSpec& spec : setting_specs()) {
      if (spec.group == group) rows.push_back(&spec);
    }
  }
  return rows;
}

std::vector<std::string> check_settings(const Settings& settings) {
  std::vector<std::string> errors;
  if (settings.engine.model.empty()) {
    errors.push_back("--model is missing: a checkpoint folder, or a name like org/repo");
  }
  if (settings.ssl_certfile.empty() != settings.ssl_keyfile.empty()) {
    errors.push_back("--ssl-certfile and --ssl-keyfile belong together");
  }
  return errors;
}

ParsedSettings parse_settings(std::span<const std::string> arguments,
                              std::span<const std::string> environment) {
  ParsedSettings out;
  const FlagTable table{setting_rows(), &out.settings};
  ParsedFlags parsed = parse_flags(std::span(&table, 1), {arguments, environment});
  out.errors = std::move(parsed.errors);
  out.warnings = std::move(parsed.warnings);
  out.help = parsed.help;
  if (!parsed.words.empty()) out.settings.engine.model = parsed.words.front();
  for (std::size_t i = 1; i < parsed.words.size(); ++i) {
    out.errors.push_back(fmt::format("\"{}\": the model was already given", parsed.words[i]));
  }
  if (!out.help) std::ranges::move(check_settings(out.settings), std::back_inserter(out.errors));
  out.settings.http.body_bytes = static_cast<std::size_t>(out.settings.max_body_bytes);
  return out;
}

std::vector<std::pair<std::string, std::string>> list_settings(const Settings& settings) {
  Settings copy = settings;
  std::vector<std::pair<std::string, std::string>> out;
  for (const SettingSpec& spec : setting_specs()) {
    out.emplace_back(spec.name, flag_value(spec, &copy));
  }
  return out;
}

}  // namespace quire::server
