// Parsing walks the table; all errors are collected, so that one run shows them all.
#include "server/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "server/edit_distance.h"

namespace quire::server {
namespace {

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::vector<std::string_view> names_of(const SettingSpec& spec) {
  std::vector<std::string_view> names = words(spec.aliases);
  names.insert(names.begin(), spec.name);
  return names;
}

bool is_switch(const SettingSpec& spec) { return spec.value.empty(); }

// The flag as it is written: -t, -np, --threads.
std::string flag_text(std::string_view name) {
  return fmt::format("{}{}", name.size() <= 2 ? "-" : "--", name);
}

std::string environment_name(std::string_view name) {
  std::string out = "QUIRE_";
  for (const char c : name) {
    out += c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return out;
}

struct Match {
  const SettingSpec* spec = nullptr;
  bool negated = false;
};

Match find_setting(std::string_view name) {
  for (const SettingSpec& spec : setting_specs()) {
    for (const std::string_view known : names_of(spec)) {
      if (known == name) return {&spec, false};
      if (is_switch(spec) && name.starts_with("no-") && name.substr(3) == known) {
        return {&spec, true};
      }
    }
  }
  return {};
}

std::string closest_flag(std::string_view name) {
  std::string best;
  int best_distance = static_cast<int>(name.size()) / 2 + 1;
  for (const SettingSpec& spec : setting_specs()) {
    for (const std::string_view known : names_of(spec)) {
      const int distance = edit_distance(name, known);
      if (distance >= best_distance) continue;
      best_distance = distance;
      best = flag_text(known);
    }
  }
  return best;
}

// "32k" is 32,000 and "32K" is 32,768, as vLLM reads them.
std::optional<double> parse_number(std::string_view text, bool with_suffix) {
  double scale = 1;
  if (with_suffix && text.size() > 1) {
    switch (text.back()) {
      case 'k':
        scale = 1e3;
        break;
      case 'm':
        scale = 1e6;
        break;
      case 'K':
        scale = 1024;
        break;
      case 'M':
        scale = 1024.0 * 1024;
        break;
      case 'G':
        scale = 1024.0 * 1024 * 1024;
        break;
      default:
        break;
    }
    if (scale != 1) text.remove_suffix(1);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value * scale;
}

bool is_memory_size(std::string_view text) {
  if (text == "auto") return true;
  if (text.ends_with('%')) {
    const auto share = parse_number(text.substr(0, text.size() - 1), false);
    return share && *share > 0 && *share <= 100;
  }
  const auto bytes = parse_number(text, true);
  return bytes && *bytes >= 1 && *bytes < 1e15;
}

// Writes the value; the error says what was wanted.
std::optional<std::string> assign(const SettingSpec& spec, Settings& settings,
                                  std::string_view text) {
  const SettingPlace place = spec.place(settings);
  const std::vector<std::string_view> choices = words(spec.choices);
  if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
    return fmt::format("one of {}", fmt::join(choices, ", "));
  }
  if (auto* const* target = std::get_if<std::string*>(&place)) {
    if (spec.name == "kv-cache-memory" && !is_memory_size(text)) {
      return "bytes with K, M or G, a share like 30%, or auto";
    }
    if (text.empty()) return "not empty";
    **target = text;
    return std::nullopt;
  }
  if (auto* const* target = std::get_if<bool*>(&place)) {
    const bool on = text == "1" || text == "true" || text == "on" || text == "yes";
    if (!on && text != "0" && text != "false" && text != "off" && text != "no") {
      return "true or false";
    }
    **target = on;
    return std::nullopt;
  }
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&place)) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      if (end == begin) return "without empty entries";
      (*list)->emplace_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return std::nullopt;
  }
  const bool is_integer = !std::holds_alternative<double*>(place);
  const std::optional<double> value = parse_number(text, is_integer);
  if (!value || *value < spec.min || *value > spec.max ||
      (is_integer && *value != std::floor(*value))) {
    return fmt::format("{} from {} to {}", is_integer ? "an integer" : "a number",
                       static_cast<std::int64_t>(spec.min), static_cast<std::int64_t>(spec.max));
  }
  if (auto* const* target = std::get_if<int*>(&place)) {
    **target = static_cast<int>(*value);
  } else if (auto* const* wide = std::get_if<std::int64_t*>(&place)) {
    **wide = static_cast<std::int64_t>(*value);
  } else {
    *std::get<double*>(place) = *value;
  }
  return std::nullopt;
}

std::string value_text(const SettingSpec& spec, Settings& settings) {
  struct Format {
    std::string operator()(const std::string* value) const { return *value; }
    std::string operator()(const int* value) const { return std::to_string(*value); }
    std::string operator()(const std::int64_t* value) const { return std::to_string(*value); }
    std::string operator()(const double* value) const { return fmt::format("{}", *value); }
    std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
    std::string operator()(const std::vector<std::string>* value) const {
      if (secret) return value->empty() ? "" : fmt::format("({} set)", value->size());
      return fmt::format("{}", fmt::join(*value, ","));
    }
    bool secret;
  };
  return std::visit(Format{spec.secret}, spec.place(settings));
}

class Parser {
 public:
  explicit Parser(ParsedSettings& out) : out_(out) {}

  void environment(std::span<const std::string> entries) {
    for (const std::string& entry : entries) {
      if (!entry.starts_with("QUIRE_") || entry.starts_with("QUIRE_TEST_")) continue;
      const std::size_t equals = std::min(entry.find('='), entry.size());
      const std::string name = entry.substr(0, equals);
      const std::string value = equals < entry.size() ? entry.substr(equals + 1) : "";
      const SettingSpec* spec = nullptr;
      for (const SettingSpec& candidate : setting_specs()) {
        if (environment_name(candidate.name) == name) spec = &candidate;
      }
      if (spec == nullptr) {
        out_.warnings.push_back(fmt::format("environment variable {} is not a setting", name));
      } else {
        set(*spec, name, value);
      }
    }
  }

  void arguments(std::span<const std::string> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (argument == "--help" || argument == "-h") {
        out_.help = true;
      } else if (argument.size() > 1 && argument[0] == '-') {
        i += flag(argument, i + 1 < arguments.size() ? &arguments[i + 1] : nullptr);
      } else if (positional_) {
        out_.errors.push_back(fmt::format("\"{}\": the model was already given", argument));
      } else {
        positional_ = true;
        out_.settings.engine.model = argument;
      }
    }
  }

 private:
  // Returns how many further arguments were taken.
  std::size_t flag(const std::string& argument, const std::string* next) {
    const std::size_t dashes = argument.starts_with("--") ? 2 : 1;
    const std::size_t equals = argument.find('=');
    const std::string name =
        argument.substr(dashes, equals == std::string::npos ? std::string::npos : equals - dashes);
    const std::string shown = argument.substr(0, equals);
    const Match match = find_setting(name);
    if (match.spec == nullptr) {
      const std::string closest = closest_flag(name);
      out_.errors.push_back(closest.empty()
                                ? fmt::format("unknown flag {}", shown)
                                : fmt::format("unknown flag {}; did you mean {}?", shown, closest));
      return 0;
    }
    if (equals != std::string::npos && !match.negated) {
      set(*match.spec, shown, argument.substr(equals + 1));
      return 0;
    }
    if (is_switch(*match.spec)) {
      if (equals != std::string::npos) {
        out_.errors.push_back(fmt::format("{} takes no value", shown));
      } else {
        set(*match.spec, shown, match.negated ? "false" : "true");
      }
      return 0;
    }
    if (next == nullptr) {
      out_.errors.push_back(fmt::format("{} needs a value ({})", shown, match.spec->value));
      return 0;
    }
    set(*match.spec, shown, *next);
    return 1;
  }

  void set(const SettingSpec& spec, std::string_view shown, std::string_view value) {
    if (const auto wanted = assign(spec, out_.settings, value)) {
      out_.errors.push_back(spec.secret
                                ? fmt::format("{} must be {}", shown, *wanted)
                                : fmt::format("{} must be {}, got \"{}\"", shown, *wanted, value));
    }
  }

  ParsedSettings& out_;
  bool positional_ = false;
};

}  // namespace

ParsedSettings parse_settings(std::span<const std::string> arguments,
                              std::span<const std::string> environment) {
  ParsedSettings parsed;
  Parser parser(parsed);
  parser.environment(environment);
  parser.arguments(arguments);
  if (parsed.settings.engine.model.empty() && !parsed.help) {
    parsed.errors.push_back("--model is missing: the folder of a checkpoint");
  }
  if (parsed.settings.ssl_certfile.empty() != parsed.settings.ssl_keyfile.empty()) {
    parsed.errors.push_back("--ssl-certfile and --ssl-keyfile belong together");
  }
  parsed.settings.http.body_bytes = static_cast<std::size_t>(parsed.settings.max_body_bytes);
  return parsed;
}

std::string settings_help() {
  Settings defaults;
  std::string out = "Usage: quire serve --model DIR [flags]\n";
  std::string_view group;
  for (const SettingSpec& spec : setting_specs()) {
    if (spec.group != group) out += fmt::format("\n{}:\n", group = spec.group);
    std::vector<std::string> flags;
    for (const std::string_view name : names_of(spec)) {
      flags.push_back(is_switch(spec) ? fmt::format("--[no-]{}", name) : flag_text(name));
    }
    out += fmt::format("  {} {}\n      {}", fmt::join(flags, ", "), spec.value, spec.help);
    if (!spec.choices.empty()) out += fmt::format(" ({})", fmt::join(words(spec.choices), ", "));
    if (spec.choices.empty() && spec.max > spec.min) {
      out += fmt::format(" ({} to {})", static_cast<std::int64_t>(spec.min),
                         static_cast<std::int64_t>(spec.max));
    }
    const std::string value = value_text(spec, defaults);
    out += fmt::format(" [{}{}]\n", value.empty() ? "" : value + "; ", environment_name(spec.name));
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> list_settings(const Settings& settings) {
  Settings copy = settings;
  std::vector<std::pair<std::string, std::string>> out;
  for (const SettingSpec& spec : setting_specs()) {
    out.emplace_back(spec.name, value_text(spec, copy));
  }
  return out;
}

}  // namespace quire::server
