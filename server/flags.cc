// Parsing walks the tables; all errors are collected, so that one run shows them all.
#include "server/flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include "base/edit_distance.h"

namespace quire::server {
namespace {

constexpr double kUnbounded = 1e6;  // limits above are a safeguard, not worth a newcomer's time

// "32k" is 32,000 and "32K" is 32,768, as vLLM reads them.
std::optional<double> parse_number(std::string_view text, bool with_suffix) {
  struct Suffix {
    char letter;
    double scale;
  };
  static constexpr Suffix kSuffixes[] = {
      {'k', 1e3}, {'m', 1e6}, {'K', 1024}, {'M', 1024.0 * 1024}, {'G', 1024.0 * 1024 * 1024}};
  double scale = 1;
  if (with_suffix && text.size() > 1) {
    for (const Suffix& suffix : kSuffixes) {
      if (text.back() == suffix.letter) scale = suffix.scale;
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

std::optional<std::string> assign_text(const FlagSpec& spec, std::string& target,
                                       std::string_view text) {
  // The one text with a grammar of its own is told by how its value is called.
  if (spec.value == "SIZE" && !is_memory_size(text)) {
    return "bytes with K, M or G, a share like 30%, or auto";
  }
  if (text.empty()) return "not empty";
  target = text;
  return std::nullopt;
}

std::optional<std::string> assign_switch(bool& target, std::string_view text) {
  const bool on = text == "1" || text == "true" || text == "on" || text == "yes";
  if (!on && text != "0" && text != "false" && text != "off" && text != "no") {
    return "true or false";
  }
  target = on;
  return std::nullopt;
}

std::optional<std::string> assign_list(std::vector<std::string>& list, std::string_view text) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end == begin) return "without empty entries";
    list.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return std::nullopt;
}

std::optional<std::string> assign_number(const FlagSpec& spec, const FlagPlace& place,
                                         std::string_view text) {
  const bool is_integer = !std::holds_alternative<double*>(place);
  const std::optional<double> value = parse_number(text, is_integer);
  const bool in_range = value && *value >= spec.min && *value <= spec.max;
  if (spec.min == spec.max && !in_range) return fmt::format("{} ({})", spec.min, spec.help);
  if (!in_range || (is_integer && *value != std::floor(*value))) {
    return fmt::format("{} from {} to {}", is_integer ? "an integer" : "a number",
                       static_cast<std::int64_t>(spec.min), static_cast<std::int64_t>(spec.max));
  }
  if (auto* const* target = std::get_if<int*>(&place)) {
    **target = static_cast<int>(*value);
  } else if (auto* const* wide = std::get_if<std::int64_t*>(&place)) {
    **wide = static_cast<std::int64_t>(*value);
  } else {
    **std::get_if<double*>(&place) = *value;
  }
  return std::nullopt;
}

// The allowed word that `text` is a spelling of.
std::optional<std::string_view> find_choice(const FlagSpec& spec, std::string_view text) {
  for (std::string_view choice : split_words(spec.choices)) {
    const std::string_view canonical = choice.substr(0, choice.find('|'));
    while (!choice.empty()) {
      const std::size_t end = std::min(choice.find('|'), choice.size());
      if (choice.substr(0, end) == text) return canonical;
      choice.remove_prefix(std::min(end + 1, choice.size()));
    }
  }
  return std::nullopt;
}

// Writes the value; the error says what was wanted.
std::optional<std::string> assign(const FlagSpec& spec, void* target, std::string_view text) {
  const FlagPlace place = spec.place(target);
  if (!spec.choices.empty()) {
    const auto choice = find_choice(spec, text);
    if (!choice) return range_text(spec);
    text = *choice;
  }
  if (auto* const* out = std::get_if<std::string*>(&place)) return assign_text(spec, **out, text);
  if (auto* const* out = std::get_if<bool*>(&place)) return assign_switch(**out, text);
  if (auto* const* out = std::get_if<std::vector<std::string>*>(&place)) {
    return assign_list(**out, text);
  }
  return assign_number(spec, place, text);
}

class Parser {
 public:
  Parser(std::span<const FlagTable> tables, ParsedFlags& out) : tables_(tables), out_(out) {}

  void config(std::string_view path) {
    std::ifstream file{std::string(path), std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.good() && !file.eof()) {
      out_.errors.push_back(fmt::format("--config: cannot read {}", path));
      return;
    }
    const auto pairs = parse_config_text(text);
    if (!pairs) {
      out_.errors.push_back(fmt::format("{}: {}", path, pairs.error().message));
      return;
    }
    for (const auto& [key, value] : *pairs) {
      const Match match = find(key);
      if (match.spec == nullptr || match.negated) {
        unknown(fmt::format("{}: {} is no setting", path, key), key);
      } else {
        set(match, fmt::format("{}: {}", path, key), value);
      }
    }
  }

  void environment(const FlagInput& input) {
    for (const std::string& entry : input.environment) {
      if (!entry.starts_with("QUIRE_") || entry.starts_with("QUIRE_TEST_")) continue;
      const std::size_t equals = std::min(entry.find('='), entry.size());
      const std::string name = entry.substr(0, equals);
      const std::string value = equals < entry.size() ? entry.substr(equals + 1) : "";
      if (name == "QUIRE_CONFIG") continue;
      const Match match = find_variable(name);
      if (match.spec != nullptr) {
        set(match, name, value);
      } else if (std::ranges::none_of(input.other_names, [&](std::string_view other) {
                   return environment_name(other) == name;
                 })) {
        out_.warnings.push_back(fmt::format("environment variable {} is not a setting", name));
      }
    }
  }

  void arguments(std::span<const std::string> arguments) {
    bool flags_over = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (flags_over || argument.size() < 2 || argument[0] != '-') {
        out_.words.push_back(argument);
      } else if (argument == "--") {
        flags_over = true;
      } else if (argument == "--help" || argument == "-h") {
        out_.help = true;
      } else {
        i += flag(argument, i + 1 < arguments.size() ? &arguments[i + 1] : nullptr);
      }
    }
  }

 private:
  struct Match {
    const FlagSpec* spec = nullptr;
    void* target = nullptr;
    bool negated = false;
  };

  template <class Test>
  Match find_if(Test test) const {
    for (const FlagTable& table : tables_) {
      for (const FlagSpec* spec : table.specs) {
        for (const std::string_view known : names_of(*spec)) {
          if (test(*spec, known)) return {spec, table.target, false};
        }
      }
    }
    return {};
  }

  Match find(std::string_view written) const {
    std::string name(written);  // vLLM's users write max_num_seqs as well
    std::ranges::replace(name, '_', '-');
    Match match = find_if([&](const FlagSpec&, std::string_view known) { return known == name; });
    if (match.spec != nullptr || !name.starts_with("no-")) return match;
    match = find_if([&](const FlagSpec& spec, std::string_view known) {
      return is_switch(spec) && name.substr(3) == known;
    });
    match.negated = true;
    return match;
  }

  Match find_variable(const std::string& name) const {
    return find_if([&](const FlagSpec& spec, std::string_view known) {
      return known == spec.name && environment_name(known) == name;
    });
  }

  void unknown(std::string message, std::string_view name) {
    std::string best;
    int best_distance = static_cast<int>(name.size()) / 2 + 1;
    find_if([&](const FlagSpec&, std::string_view known) {
      const int distance = edit_distance(name, known);
      if (distance < best_distance) {
        best_distance = distance;
        best = flag_text(known);
      }
      return false;
    });
    if (!best.empty()) message += fmt::format("; did you mean {}?", best);
    out_.errors.push_back(std::move(message));
  }

  // Returns how many further arguments were taken.
  std::size_t flag(const std::string& argument, const std::string* next) {
    const std::size_t dashes = argument.starts_with("--") ? 2 : 1;
    const std::size_t equals = argument.find('=');
    const std::string name =
        argument.substr(dashes, equals == std::string::npos ? std::string::npos : equals - dashes);
    const std::string shown = argument.substr(0, equals);
    if (name == "config") return equals == std::string::npos ? 1 : 0;  // was read before
    const Match match = find(name);
    if (match.spec == nullptr) {
      unknown(fmt::format("unknown flag {}", shown), name);
      return 0;
    }
    if (equals != std::string::npos && !match.negated) {
      set(match, shown, argument.substr(equals + 1));
      return 0;
    }
    if (is_switch(*match.spec)) {
      if (equals != std::string::npos) {
        out_.errors.push_back(fmt::format("{} takes no value", shown));
      } else {
        set(match, shown, match.negated ? "false" : "true");
      }
      return 0;
    }
    if (next == nullptr) {
      out_.errors.push_back(fmt::format("{} needs a value ({})", shown, match.spec->value));
      return 0;
    }
    set(match, shown, *next);
    return 1;
  }

  void set(const Match& match, std::string_view shown, std::string_view value) {
    const auto wanted = assign(*match.spec, match.target, value);
    if (!wanted) return;
    out_.errors.push_back(match.spec->secret
                              ? fmt::format("{} must be {}", shown, *wanted)
                              : fmt::format("{} must be {}, got \"{}\"", shown, *wanted, value));
  }

  std::span<const FlagTable> tables_;
  ParsedFlags& out_;
};

// The value of --config, else of QUIRE_CONFIG, else nothing.
std::optional<std::string> config_path(const FlagInput& input, ParsedFlags& out) {
  std::optional<std::string> path;
  for (const std::string& entry : input.environment) {
    if (entry.starts_with("QUIRE_CONFIG=")) path = entry.substr(entry.find('=') + 1);
  }
  for (std::size_t i = 0; i < input.arguments.size(); ++i) {
    const std::string& argument = input.arguments[i];
    if (argument == "--") break;
    if (argument.starts_with("--config=")) path = argument.substr(argument.find('=') + 1);
    if (argument != "--config") continue;
    if (i + 1 == input.arguments.size()) {
      out.errors.push_back("--config needs a value (FILE)");
    } else {
      path = input.arguments[i + 1];
    }
  }
  return path;
}

struct FormatValue {
  bool secret;
  std::string operator()(const std::string* value) const { return *value; }
  std::string operator()(const int* value) const { return std::to_string(*value); }
  std::string operator()(const std::int64_t* value) const { return std::to_string(*value); }
  std::string operator()(const double* value) const { return fmt::format("{}", *value); }
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::vector<std::string>* value) const {
    if (secret) return value->empty() ? "" : fmt::format("({} set)", value->size());
    return fmt::format("{}", fmt::join(*value, ","));
  }
};

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::vector<std::string_view> names_of(const FlagSpec& spec) {
  std::vector<std::string_view> names = split_words(spec.aliases);
  names.insert(names.begin(), spec.name);
  return names;
}

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

std::vector<std::string_view> choices_of(const FlagSpec& spec) {
  std::vector<std::string_view> words = split_words(spec.choices);
  for (std::string_view& word : words) word = word.substr(0, word.find('|'));
  return words;
}

std::string range_text(const FlagSpec& spec) {
  if (!spec.choices.empty()) return fmt::format("one of {}", fmt::join(choices_of(spec), ", "));
  if (!(spec.max > spec.min)) return "";
  const auto text = [](double value) {
    return value == std::floor(value) ? std::to_string(static_cast<std::int64_t>(value))
                                      : fmt::format("{}", value);
  };
  if (spec.max >= kUnbounded)
    return spec.min == 0 ? "" : fmt::format("at least {}", text(spec.min));
  return fmt::format("{} to {}", text(spec.min), text(spec.max));
}

std::string flag_value(const FlagSpec& spec, void* target) {
  if (spec.secret && std::holds_alternative<std::string*>(spec.place(target))) {
    return std::get<std::string*>(spec.place(target))->empty() ? "" : "(set)";
  }
  return std::visit(FormatValue{spec.secret}, spec.place(target));
}

ParsedFlags parse_flags(std::span<const FlagTable> tables, const FlagInput& input) {
  ParsedFlags parsed;
  Parser parser(tables, parsed);
  if (const auto path = config_path(input, parsed)) parser.config(*path);
  parser.environment(input);
  parser.arguments(input.arguments);
  return parsed;
}

}  // namespace quire::server
